"""What the numbers of the dominance probe mean: the early warning, and how it held."""

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.finding import Finding
from jtdiag.intervals import clopper_pearson
from jtdiag_probes.foresight import EARLY_EPOCH
from jtdiag_probes.performance import standard_error

SKILL_LIMIT = 0.55
"""Least share of the ensemble's skill that the median member must have alone, in training,
after the early epoch. Measured then, for λ = 0, 0.9, 0.95 and 1: 0.96, 0.83, 0.73 and 0.44 or
more on the demo's members, 0.95, 0.70, 0.59 and 0.16 on 256 members of 4 units."""
LEADER_LIMIT = 0.75
"""Share of the ensemble's skill from which a leader counts as carrying the ensemble alone."""


def judge(result: xr.Dataset) -> list[Finding]:
    """Raise the early warning where it is due, and say how far the early leader led."""
    findings = []
    for lam in result[names.LAM].values:
        at = result.sel({names.LAM: lam})
        findings += _early_warning(at, float(lam))
        findings += _effective(at, float(lam))
        findings += _spread(at, float(lam))
        findings += _least_moved(at, float(lam))
    return findings + _early_rule(result)


def _early_warning(result: xr.Dataset, lam: float) -> list[Finding]:
    """Compare the median member with the ensemble, in training, after the early epoch.

    Where end-to-end training fails its members, the ensemble fits and they do not: one member
    carries it (dominance), or it holds only together (codependence).
    """
    if result.sizes[names.MEMBER] < 2:
        return []
    epoch = min(EARLY_EPOCH, result.sizes[names.EPOCH] - 1)
    early = result.sel({names.EPOCH: epoch, names.SPLIT: names.TRAIN})
    median = early["median_skill"].values
    weak = np.flatnonzero(median < SKILL_LIMIT)
    if epoch < EARLY_EPOCH or weak.size == 0:
        return []
    leader = early["leader_skill"].values[weak]
    dominated = bool(np.mean(leader) >= LEADER_LIMIT)
    skill = float(np.mean(median[weak]))
    known = int(early["leader"].notnull().sum() - (early["leader"] < 0).sum())
    return [
        Finding(
            probe="dominance",
            rule="early-dominance" if dominated else "early-codependence",
            level="alert",
            lam=lam,
            trials=tuple(int(t) for t in weak),
            epoch=EARLY_EPOCH,
            members=tuple(sorted({int(m) for m in early["leader"].values[weak]}))
            if dominated
            else (),
            number=skill,
            limit=SKILL_LIMIT,
            sentence=_warning(early.isel({names.TRIAL: weak}), lam, dominated, skill, known),
        )
    ]


def _warning(early: xr.Dataset, lam: float, dominated: bool, skill: float, known: int) -> str:
    ensemble = 100 * float(early[names.ENSEMBLE_ERROR].mean())
    median = 100 * float(early[names.MEMBER_ERROR].median(names.MEMBER).mean())
    best = 100 * float(early[names.MEMBER_ERROR].min(names.MEMBER).mean())
    what = (
        f"one member carries the ensemble (its training error is {best:.0f} %, the median "
        f"member's {median:.0f} %, the ensemble's {ensemble:.0f} %)"
        if dominated
        else f"no member stands alone (training error {median:.0f} % for the median member, "
        f"{best:.0f} % for the best, {ensemble:.0f} % for the ensemble)"
    )
    other = "λ = 0.9 or independent training" if lam > 0.9 else "a smaller λ"
    return (
        f"λ = {lam:g}: after epoch {EARLY_EPOCH}, in {early.sizes[names.TRIAL]} of {known} trials, "
        f"{what}; the median member has {100 * skill:.0f} % of the ensemble's skill, "
        f"less than {100 * SKILL_LIMIT:.0f} %. Expect little of members alone and an ensemble that "
        f"breaks when some of them fail; compare with {other}."
    )


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
