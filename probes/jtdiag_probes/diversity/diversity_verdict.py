"""Judge the results of the probe `diversity`, including its self-tests."""

import numpy as np
import xarray as xr

from jtdiag import names, stats
from jtdiag.probing.findings import Finding
from jtdiag.stats import Interval
from jtdiag_probes.diversity import rounding, wording

RESIDUAL_LIMIT = 1e-12
"""Eq. 4 and Eq. 5 agree to rounding in float64; relative to losses above 1 nat."""
STORE_LIMIT = 1e-3
"""Losses recomputed from outputs agree with the engine's to float32, or float16 if stored so."""


def judge(result: xr.Dataset) -> list[Finding]:
    """Return the worth of diversity for each λ, diverged lanes and failed self-tests."""
    findings = []
    if result.attrs["members"] > 1:
        findings = [_worth(result, float(lam)) for lam in result[names.LAM].values]
        findings = [finding for finding in findings if np.isfinite(finding.number)]
    findings += _diverged(result)
    if "residual" in result:
        residual, stored = (float(result[name].max()) for name in ("residual", "store_residual"))
        if residual > RESIDUAL_LIMIT:
            sentence = wording.joint_loss_differs(residual, RESIDUAL_LIMIT)
            findings.append(_self_test("residual", residual, RESIDUAL_LIMIT, sentence))
        if stored > STORE_LIMIT:
            sentence = wording.store_differs(stored, STORE_LIMIT)
            findings.append(_self_test("store_residual", stored, STORE_LIMIT, sentence))
        findings += _not_finite(result)
    return findings


def _worth(result: xr.Dataset, lam: float) -> Finding:
    """Report losses and diversity on test at the end of the lanes that did not diverge."""
    at_lam = result.sel({names.LAM: lam, names.SPLIT: names.TEST})
    sound = at_lam["diverged_members"].max(names.EPOCH).fillna(0) == 0
    last = _last_sealed(at_lam).where(sound)
    least = float(result.attrs["least_loss"])
    diversity = rounding.without(last["diversity"], last["mean_member_loss"])
    if rounding.is_none(diversity):
        return Finding(
            probe="diversity",
            rule="identical",
            level="info",
            lam=lam,
            number=0.0,
            sentence=wording.identical(lam),
        )
    return Finding(
        probe="diversity",
        rule="worth",
        level="info",
        lam=lam,
        number=float(last["diversity"].mean()),
        sentence=wording.worth(
            lam,
            member_loss=_over_trials(last["mean_member_loss"], least),
            ensemble_loss=_over_trials(last["ensemble_loss"], least),
            diversity=_over_trials(last["diversity"], 0.0),
            diverged=int((~sound).sum()),
        ),
    )


def _over_trials(by_trial: xr.DataArray, least: float) -> Interval:
    """Return the mean and its interval, without what is below the least possible value."""
    return stats.mean_interval(by_trial.values).within(least, np.inf)


def _last_sealed(result: xr.Dataset) -> xr.Dataset:
    """Return each trial at its last epoch with finite numbers."""
    sealed = result["diversity"].notnull().sum(names.EPOCH) - 1
    return result.isel({names.EPOCH: sealed.clip(min=0)})


def _diverged(result: xr.Dataset) -> list[Finding]:
    """Return an alert for each lane in which a member's loss was NaN or infinite at any epoch."""
    findings = []
    by_epoch = result["diverged_members"]
    for i, t in zip(*np.nonzero((by_epoch.max(names.EPOCH) > 0).values), strict=True):
        lane = by_epoch.isel({names.LAM: i, names.TRIAL: t})
        lam, trial, count = float(lane[names.LAM]), int(lane[names.TRIAL]), int(lane.max())
        epoch = int(lane[names.EPOCH].values[np.argmax(lane.values > 0)])
        findings.append(
            Finding(
                probe="diversity",
                rule="diverged",
                level="alert",
                lam=lam,
                trials=(trial,),
                epoch=epoch,
                number=count,
                limit=0,
                sentence=wording.diverged(lam, trial, count, int(result.attrs["members"]), epoch),
            )
        )
    return findings


def _self_test(rule: str, number: float, limit: float, sentence: str) -> Finding:
    return Finding(
        probe="diversity", rule=rule, level="alert", number=number, limit=limit, sentence=sentence
    )


def _not_finite(result: xr.Dataset) -> list[Finding]:
    """Return an alert if stored logits are not finite where the engine's losses are.

    The residuals of such examples are NaN, and would pass the other self-tests.
    """
    broken = result["not_finite"].where(result["diverged_members"] == 0)
    if not broken.max() > 0:
        return []
    number = int(broken.sum())
    most = broken.isel(broken.argmax(broken.dims))
    sentence = wording.not_finite(
        number,
        lam=float(most[names.LAM]),
        trial=int(most[names.TRIAL]),
        epoch=int(most[names.EPOCH]),
        split=str(most[names.SPLIT].item()),
    )
    return [_self_test("not-finite", number, 0, sentence)]
