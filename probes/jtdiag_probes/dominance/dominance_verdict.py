"""What the numbers of the dominance probe mean: who carries, and how early one could know."""

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.probing.findings import Finding
from jtdiag.probing.over_trials import standard_error
from jtdiag.rules.limits import EARLY_EPOCH
from jtdiag.stats import clopper_pearson


def judge(result: xr.Dataset) -> list[Finding]:
    """Say who carries the logits, how unequal members are, and how far the early leader led.

    Whether training fails is for the rules to say: see the probe `alerts`.
    """
    findings = []
    for lam in result[names.LAM].values:
        at = result.sel({names.LAM: lam})
        findings += _effective(at, float(lam))
        findings += _spread(at, float(lam))
        findings += _least_moved(at, float(lam))
    return findings + _early_rule(result)


def _effective(result: xr.Dataset, lam: float) -> list[Finding]:
    """Say over how many members the ensemble's logits are spread on test, at the end."""
    if "effective_members" not in result:
        return []
    on_test = result["effective_members"].sel({names.SPLIT: names.TEST})
    known = on_test.dropna(names.EPOCH, how="all")
    if known.sizes[names.EPOCH] == 0:
        return []
    number = float(known.isel({names.EPOCH: -1}).mean())
    members = result.sizes[names.MEMBER]
    return [
        Finding(
            probe="dominance",
            rule="effective-members",
            level="info",
            lam=lam,
            number=number,
            sentence=f"λ = {lam:g}: {number:.3g} of {members} members carry the ensemble's logits.",
        )
    ]


def _spread(result: xr.Dataset, lam: float) -> list[Finding]:
    """Say how unequal the members' errors are on test, at the end of the lanes that are done."""
    at_end = result.isel({names.EPOCH: -1}).sel({names.SPLIT: names.TEST})
    at_end = at_end.where(result["done"] > 0)
    ratio = float(at_end["best_to_median"].mean())
    if result.sizes[names.MEMBER] < 2 or not np.isfinite(ratio):
        return []
    gap, gini = 100 * at_end["leader_gap"], float(at_end["error_gini"].mean())
    side = "above" if float(gap.mean()) >= 0 else "below"
    return [
        Finding(
            probe="dominance",
            rule="error-spread",
            level="info",
            lam=lam,
            number=ratio,
            sentence=(
                f"λ = {lam:g}: on test, the best member's error is {ratio:.2g} of the median's and "
                f"{abs(float(gap.mean())):.1f}{_doubt(gap)} points {side} the ensemble's; "
                f"the Gini coefficient of the errors is {gini:.2g}."
            ),
        )
    ]


def _doubt(over_trials: xr.DataArray) -> str:
    se = float(standard_error(over_trials))
    return f" ± {se:.1f}" if np.isfinite(se) else ""


def _least_moved(result: xr.Dataset, lam: float) -> list[Finding]:
    """Say how far the member that moved least came, at the last epoch with a checkpoint."""
    if "displacement" not in result or result.sizes[names.MEMBER] < 2:
        return []
    known = result["displacement"].dropna(names.EPOCH, how="all")
    known = known.where(known[names.EPOCH] > 0, drop=True)
    if known.sizes[names.EPOCH] == 0:
        return []
    last = known.isel({names.EPOCH: -1}).dropna(names.TRIAL)
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
            sentence=(
                f"λ = {lam:g}: by epoch {epoch}, the member whose parameters moved least from "
                f"where they began came {100 * number:.1f}{_doubt(100 * ratio)} % as far as the "
                "median member."
            ),
        )
    ]


def _early_rule(result: xr.Dataset) -> list[Finding]:
    """Say in how many lanes the leader after the early epoch led at the end."""
    findings = []
    for lam in result[names.LAM].values:
        rule = result["early_rule"].sel({names.LAM: lam}).dropna(names.TRIAL)
        if rule.size == 0 or result.sizes[names.MEMBER] < 2:
            continue
        held, of = int(rule.sum()), rule.size
        low, high = clopper_pearson(held, of)
        since = result["leader_known_since"].sel({names.LAM: lam, names.TRIAL: rule[names.TRIAL]})
        findings.append(
            Finding(
                probe="dominance",
                rule="early-leader",
                level="info",
                lam=float(lam),
                epoch=EARLY_EPOCH,
                number=held / of,
                sentence=(
                    f"λ = {lam:g}: the member that led in training error after epoch "
                    f"{EARLY_EPOCH} led at the end in {held} of {of} trials "
                    f"(by chance: 1 in {result.sizes[names.MEMBER]}). "
                    f"The exact 95 % interval is {100 * low:.0f} to {100 * high:.0f} %. Who led "
                    f"at the end had led from epoch {float(since.median()):g} on (median)."
                ),
            )
        )
    return findings
