"""Judge the results of the probe `collusion`."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names, stats
from jtdiag.probing.findings import Finding
from jtdiag.stats import Interval
from jtdiag_probes.diversity import rounding, wording

PURE = 0.05
"""Members collude if less than this share of the added diversity reduces the ensemble's loss."""
REPORTED_FRACTION = 0.4
"""Fraction of dropped members that the finding reports."""


def judge(result: xr.Dataset) -> list[Finding]:
    """Return for each λ whether members collude, how inflated the diversity is, and the gap."""
    several = result.attrs["members"] > 1
    on_test = result.sel({names.SPLIT: names.TEST})
    changes = on_test["diversity_change"].notnull().any(names.TRIAL)
    comparisons = int((changes & (result[names.LAM] != 0)).sum())
    findings = []
    for lam in result[names.LAM].values:
        at_lam = result.sel({names.LAM: lam})
        at_lam = at_lam.dropna(names.TRIAL, subset=["diversity"], how="all")
        if at_lam.sizes[names.TRIAL]:
            if several:
                findings += _collusion(at_lam, float(lam), comparisons)
                findings += _offsets_and_dropping(at_lam, float(lam), result.attrs["members"])
            findings += _gap(result, at_lam, float(lam))
    return findings


def collude(
    more: NDArray[np.floating[Any]], loss: NDArray[np.floating[Any]], comparisons: int
) -> bool:
    """Return whether diversity is higher, and the loss lower by less than `PURE` of that.

    Both are tested, so collusion is never concluded from a difference that was not detected.

    Args:
        more: Diversity minus that at λ = 0, (trials,).
        loss: Loss of the ensemble minus that at λ = 0, (trials,).
        comparisons: Number of λs that are compared with λ = 0.
    """
    added, missing = (stats.paired(v, comparisons) for v in (more, PURE * more + loss))
    return added.low > 0 and missing.low > 0


def _collusion(at_lam: xr.Dataset, lam: float, comparisons: int) -> list[Finding]:
    """Compare with λ = 0 in the same trials, on test; intervals hold for all λs together."""
    on_test = at_lam.sel({names.SPLIT: names.TEST}).dropna(names.TRIAL, subset=["diversity_change"])
    if lam == 0 or on_test.sizes[names.TRIAL] == 0:
        return []
    if rounding.is_none(on_test["diversity"]):
        return [_finding("identical", lam, on_test, 0.0, None, wording.identical(lam))]
    more, loss = on_test["diversity_change"].values, on_test["ensemble_loss_change"].values
    added, change = stats.paired(more, comparisons), stats.paired(loss, comparisons)
    if collude(more, loss, comparisons):
        share = -change.mean / added.mean
        gained = share if change.high < 0 else np.nan
        sentence = wording.collusion(lam, added, change, PURE, gained)
        return [_finding("pure-collusion", lam, on_test, share, PURE, sentence)]
    sentence = wording.added_diversity(
        lam,
        added,
        change,
        trials=more.size,
        detectable=stats.smallest_detectable(loss, comparisons),
    )
    return [_finding("added-diversity", lam, on_test, added.mean, None, sentence)]


def _offsets_and_dropping(at_lam: xr.Dataset, lam: float, members: int) -> list[Finding]:
    """Report the share of constant offsets in the diversity, and what dropping members costs."""
    if "bias_share" not in at_lam:
        return []
    on_test = at_lam.sel({names.SPLIT: names.TEST}).dropna(names.TRIAL, subset=["bias_share"])
    if on_test.sizes[names.TRIAL] == 0:
        return []
    if rounding.is_none(on_test["diversity"]):
        return []
    dropped = on_test.sel({names.DROPPED: REPORTED_FRACTION})
    share = on_test["bias_share"].values
    sentence = wording.offsets_and_dropping(
        lam,
        stats.mean_interval(-share).within(-1, np.inf),
        dropped=int(dropped["dropped_members"]),
        members=members,
        increase=stats.mean_interval(dropped["drop_rise"].values),
        predicted=stats.mean_interval(dropped["predicted_rise"].values),
    )
    return [_finding("hollow-diversity", lam, on_test, float(share.mean()), None, sentence)]


def _gap(result: xr.Dataset, at_lam: xr.Dataset, lam: float) -> list[Finding]:
    """Report the ensemble's loss on test minus that in training, with λ = 0 as a reference."""
    gap = stats.mean_interval(at_lam["generalisation_gap"].values)
    if not np.isfinite(gap.mean):
        return []
    reference: Interval | None = None
    if lam > 0 and 0.0 in result[names.LAM].values:
        at_zero = result["generalisation_gap"].sel({names.LAM: 0.0}).values
        reference = stats.mean_interval(at_zero) if np.isfinite(at_zero).any() else None
    sentence = wording.generalization_gap(
        lam,
        gap,
        reference,
        diversity_ratio=float(at_lam["diversity_ratio"].mean()),
        running_means=bool((at_lam["train_is_running"] == 1).any()),
    )
    return [_finding("generalisation-gap", lam, at_lam, gap.mean, None, sentence)]


def _finding(
    rule: str, lam: float, at_lam: xr.Dataset, number: float, limit: float | None, sentence: str
) -> Finding:
    return Finding(
        probe="collusion",
        rule=rule,
        level="info",
        lam=lam,
        number=number,
        limit=limit,
        trials=tuple(int(trial) for trial in at_lam[names.TRIAL].values),
        sentence=sentence,
    )
