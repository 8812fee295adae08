"""Judge the results of the probe `dominance`."""

import numpy as np
import xarray as xr

from jtdiag import names, stats
from jtdiag.probing.findings import Finding
from jtdiag.rules.limits import EARLY_EPOCH
from jtdiag_probes.dominance import wording


def judge(result: xr.Dataset) -> list[Finding]:
    """Return findings on shares of the logits, spread of the errors, movement and early leaders.

    Whether training fails is judged by the rules; see the probe `alerts`.
    """
    findings = []
    epoch = _last_with_outputs(result)
    for lam in result[names.LAM].values:
        at_lam = result.sel({names.LAM: lam})
        findings += _effective_members(at_lam, float(lam), epoch)
        findings += _error_spread(at_lam, float(lam))
        findings += _least_moved(at_lam, float(lam))
    return findings + _early_leader(result)


def _effective_members(result: xr.Dataset, lam: float, epoch: int | None) -> list[Finding]:
    """Report the effective number of members on test, and the loss without one of them.

    Args:
        result: At one λ.
        lam: The λ.
        epoch: The last one with outputs at any λ; None if there is none.
    """
    if epoch is None or result.sizes[names.MEMBER] < 2:
        return []
    at_end = result.sel({names.EPOCH: epoch, names.SPLIT: names.TEST})
    number = at_end["effective_members"].dropna(names.TRIAL)
    if number.size == 0:
        return []
    increases = at_end["leave_one_out"].sel({names.TRIAL: number[names.TRIAL]})
    ranked = np.sort(increases.transpose(names.TRIAL, names.MEMBER).values, axis=1)[:, ::-1]
    members = result.sizes[names.MEMBER]
    return [
        Finding(
            probe="dominance",
            rule="effective-members",
            level="info",
            lam=lam,
            epoch=epoch,
            number=float(number.mean()),
            sentence=wording.effective_members(
                lam,
                epoch,
                stats.mean_interval(number.values).within(1, members),
                members=members,
                largest=stats.mean_interval(ranked[:, 0]),
                second=stats.mean_interval(ranked[:, 1]),
                trials=(number.size, _trained(result, epoch)),
            ),
        )
    ]


def _trained(result: xr.Dataset, epoch: int) -> int:
    """Return the number of trials of a λ that are sealed up to an epoch."""
    leader = result["leader"].sel({names.EPOCH: epoch})
    return int((leader >= 0).any(names.SPLIT).sum())  # some recorded runs have no training errors


def _last_with_outputs(result: xr.Dataset) -> int | None:
    """Return the last epoch with outputs of any lane; None if there is none."""
    if "effective_members" not in result:
        return None
    on_test = result["effective_members"].sel({names.SPLIT: names.TEST})
    kept = on_test.notnull().any([names.LAM, names.TRIAL])
    epochs = result[names.EPOCH].values[kept.values]
    return int(epochs[-1]) if epochs.size else None


def _error_spread(result: xr.Dataset, lam: float) -> list[Finding]:
    """Report how unequal the members' errors are on test, at the end of finished lanes."""
    at_end = result.isel({names.EPOCH: -1}).sel({names.SPLIT: names.TEST})
    at_end = at_end.where(result["done"] > 0)
    ratio = float(at_end["best_to_median"].mean())
    if result.sizes[names.MEMBER] < 2 or not np.isfinite(ratio):
        return []
    gap = 100 * at_end["leader_gap"]
    return [
        Finding(
            probe="dominance",
            rule="error-spread",
            level="info",
            lam=lam,
            number=ratio,
            sentence=wording.error_spread(
                lam,
                ratio,
                gap=stats.mean_interval(gap.values),
                gini=float(at_end["error_gini"].mean()),
            ),
        )
    ]


def _least_moved(result: xr.Dataset, lam: float) -> list[Finding]:
    """Report the smallest distance from initialization at the last epoch with a checkpoint."""
    if "displacement" not in result or result.sizes[names.MEMBER] < 2:
        return []
    measured = result["displacement"].dropna(names.EPOCH, how="all")
    measured = measured.where(measured[names.EPOCH] > 0, drop=True)
    if measured.sizes[names.EPOCH] == 0:
        return []
    last = measured.isel({names.EPOCH: -1}).dropna(names.TRIAL)
    median = last.median(names.MEMBER)
    ratio = (last.min(names.MEMBER) / median.where(median > 0)).dropna(names.TRIAL)
    if ratio.size == 0:
        return []
    epoch, number = int(last[names.EPOCH]), float(ratio.mean())
    return [
        Finding(
            probe="dominance",
            rule="least-moved",
            level="info",
            lam=lam,
            epoch=epoch,
            number=number,
            sentence=wording.least_moved(lam, epoch, stats.mean_interval(100 * ratio.values)),
        )
    ]


def _early_leader(result: xr.Dataset) -> list[Finding]:
    """Report in how many finished lanes the leader after the early epoch is the final leader."""
    findings = []
    for lam in result[names.LAM].values:
        rule = result["early_rule"].sel({names.LAM: lam}).dropna(names.TRIAL)
        if rule.size == 0 or result.sizes[names.MEMBER] < 2:
            continue
        held, trials = int(rule.sum()), rule.size
        since = result["leader_known_since"].sel({names.LAM: lam, names.TRIAL: rule[names.TRIAL]})
        findings.append(
            Finding(
                probe="dominance",
                rule="early-leader",
                level="info",
                lam=float(lam),
                epoch=EARLY_EPOCH,
                number=held / trials,
                sentence=wording.early_leader(
                    float(lam),
                    EARLY_EPOCH,
                    held,
                    trials,
                    members=result.sizes[names.MEMBER],
                    since=float(since.median()),
                ),
            )
        )
    return findings
