"""Judge the results of the probe `collusion`."""

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.probing.findings import Finding
from jtdiag.probing.over_trials import standard_error
from jtdiag_probes.diversity import wording
from jtdiag_probes.diversity.wording import MeanSE

PURE = 0.05
"""Members collude if less than this share of the added diversity reduces the ensemble's loss."""
REPORTED_FRACTION = 0.4
"""Fraction of dropped members that the finding reports."""


def judge(result: xr.Dataset) -> list[Finding]:
    """Return for each λ whether members collude, how inflated the diversity is, and the gap."""
    findings = []
    for lam in result[names.LAM].values:
        at_lam = result.sel({names.LAM: lam})
        at_lam = at_lam.dropna(names.TRIAL, subset=["diversity"], how="all")
        if at_lam.sizes[names.TRIAL]:
            findings += _collusion(at_lam, float(lam))
            findings += _offsets_and_dropping(at_lam, float(lam))
            findings += _gap(result, at_lam, float(lam))
    return findings


def _collusion(at_lam: xr.Dataset, lam: float) -> list[Finding]:
    """Compare with λ = 0 in the same trials, on test."""
    on_test = at_lam.sel({names.SPLIT: names.TEST}).dropna(names.TRIAL, subset=["diversity_change"])
    if lam == 0 or on_test.sizes[names.TRIAL] == 0:
        return []
    added = float(on_test["diversity_change"].mean())
    change = on_test["ensemble_loss_change"]
    gain, se = -float(change.mean()), float(standard_error(change))
    share = gain / added if added > 0 else np.nan
    if not share < PURE:
        return []
    return [
        Finding(
            probe="collusion",
            rule="pure-collusion",
            level="info",
            lam=lam,
            number=share,
            limit=PURE,
            trials=tuple(int(t) for t in on_test[names.TRIAL].values),
            sentence=wording.collusion(
                lam,
                added,
                loss_change=MeanSE(-gain, se),
                share=share,
                gained=gain > (2 * se if np.isfinite(se) else 0),
            ),
        )
    ]


def _offsets_and_dropping(at_lam: xr.Dataset, lam: float) -> list[Finding]:
    """Report the share of constant offsets in the diversity, and what dropping members costs."""
    if "bias_share" not in at_lam:
        return []
    on_test = at_lam.sel({names.SPLIT: names.TEST}).dropna(names.TRIAL, subset=["bias_share"])
    if on_test.sizes[names.TRIAL] == 0:
        return []
    dropped = on_test.sel({names.DROPPED: REPORTED_FRACTION}).mean(names.TRIAL)
    share = float(on_test["bias_share"].mean())
    return [
        Finding(
            probe="collusion",
            rule="hollow-diversity",
            level="info",
            lam=lam,
            number=share,
            sentence=wording.offsets_and_dropping(
                lam,
                share,
                REPORTED_FRACTION,
                increase=float(dropped["drop_rise"]),
                predicted=float(dropped["predicted_rise"]),
            ),
        )
    ]


def _gap(result: xr.Dataset, at_lam: xr.Dataset, lam: float) -> list[Finding]:
    """Report the ensemble's loss on test minus that in training, with λ = 0 as a reference."""
    gap = float(at_lam["generalisation_gap"].mean())
    if not np.isfinite(gap):
        return []
    reference = np.nan
    if lam > 0 and 0.0 in result[names.LAM].values:
        reference = float(result["generalisation_gap"].sel({names.LAM: 0.0}).mean())
    return [
        Finding(
            probe="collusion",
            rule="generalisation-gap",
            level="info",
            lam=lam,
            number=gap,
            sentence=wording.generalization_gap(
                lam,
                gap,
                reference,
                diversity_ratio=float(at_lam["diversity_ratio"].mean()),
                running_means=bool((at_lam["train_is_running"] == 1).any()),
            ),
        )
    ]
