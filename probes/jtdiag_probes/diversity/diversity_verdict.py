"""What the numbers of the diversity probe mean, and whether they can be trusted."""

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.probing.findings import Finding
from jtdiag.probing.over_trials import standard_error

RESIDUAL_LIMIT = 1e-12
"""Eq. 4 and Eq. 5 agree to rounding in float64; relative to losses above 1 nat."""
STORE_LIMIT = 1e-3
"""Losses recomputed from outputs agree with the engine's to float32, or float16 if kept so."""


def judge(result: xr.Dataset) -> list[Finding]:
    """Say what diversity is worth at each λ at the end, who diverged, and whether numbers hold."""
    findings = [_worth(result, float(lam)) for lam in result[names.LAM].values]
    findings = [finding for finding in findings if np.isfinite(finding.number)]
    findings += _diverged(result)
    if "residual" in result:
        findings += _self_test(result, "residual", RESIDUAL_LIMIT, "Eq. 4 and Eq. 5 differ")
        findings += _self_test(
            result, "store_residual", STORE_LIMIT, "stored losses and stored outputs differ"
        )
        findings += _not_finite(result)
    return findings


def _worth(result: xr.Dataset, lam: float) -> Finding:
    at = result.sel({names.LAM: lam, names.SPLIT: names.TEST})
    whole = at["diverged_members"].max(names.EPOCH).fillna(0) == 0
    last = _last_sealed(at).where(whole)
    diversity = float(last["diversity"].mean())
    members, ensemble, apart = (
        _with_doubt(last[name]) for name in ("mean_member_loss", "ensemble_loss", "diversity")
    )
    return Finding(
        probe="diversity",
        rule="worth",
        level="info",
        lam=lam,
        number=diversity,
        sentence=(
            f"λ = {lam:g}: on test, the ensemble's loss is {ensemble} nats and its members' "
            f"mean loss {members}; the difference, {apart}, is diversity."
        ),
    )


def _with_doubt(over_trials: xr.DataArray) -> str:
    """Return mean ± standard error over trials, or the mean of a single trial."""
    se = float(standard_error(over_trials))
    return f"{float(over_trials.mean()):.3g}" + (f" ± {se:.2g}" if np.isfinite(se) else "")


def _last_sealed(result: xr.Dataset) -> xr.Dataset:
    """Return each trial at its last epoch with numbers."""
    sealed = result["diversity"].notnull().sum(names.EPOCH) - 1
    return result.isel({names.EPOCH: sealed.clip(min=0)})


def _diverged(result: xr.Dataset) -> list[Finding]:
    """Name each lane in which a member's loss was ever NaN or infinite; other lanes stand."""
    findings = []
    by_epoch = result["diverged_members"]
    for i, t in zip(*np.nonzero((by_epoch.max(names.EPOCH) > 0).values), strict=True):
        lane = by_epoch.isel({names.LAM: i, names.TRIAL: t})
        lam, count = float(lane[names.LAM]), int(lane.max())
        first = int(lane[names.EPOCH].values[np.argmax(lane.values > 0)])
        trial, of = int(lane[names.TRIAL]), result.attrs["members"]
        findings.append(
            Finding(
                probe="diversity",
                rule="diverged",
                level="alert",
                lam=lam,
                trials=(trial,),
                epoch=first,
                number=count,
                limit=0,
                sentence=(
                    f"λ = {lam:g}, trial {trial}: {count} of {of} members diverged, from epoch "
                    f"{first} on: their loss is infinite or no number, and so is the ensemble's. "
                    "Lower train.lr at this λ or set train.clip. What this probe says of other "
                    "lanes stands."
                ),
            )
        )
    return findings


def _self_test(result: xr.Dataset, name: str, limit: float, what: str) -> list[Finding]:
    worst = float(result[name].max())
    if not worst > limit:
        return []
    return [
        Finding(
            probe="diversity",
            rule=name,
            level="alert",
            number=worst,
            limit=limit,
            sentence=(
                f"Self-test failed: {what} by {worst:.2g} nats (limit {limit:.0g}); "
                "do not trust this run's numbers, check its store."
            ),
        )
    ]


def _not_finite(result: xr.Dataset) -> list[Finding]:
    """Tell of outputs that are no numbers where the engine's losses are: else NaN would pass."""
    broken = result["not_finite"].where(result["diverged_members"] == 0)
    if not broken.max() > 0:
        return []
    number = int(broken.sum())
    most = broken.isel(broken.argmax(broken.dims))
    where = f"λ = {float(most[names.LAM]):g}, trial {int(most[names.TRIAL])}"
    where += f", epoch {int(most[names.EPOCH])}, {most[names.SPLIT].item()}"
    return [
        Finding(
            probe="diversity",
            rule="not-finite",
            level="alert",
            number=number,
            limit=0,
            sentence=(
                f"Self-test failed: stored logits of {number} examples are infinite, no numbers or "
                f"too large, although the losses are none of these (most at {where}). "
                "Logits too large for keep.dtype become infinite; else check the store."
            ),
        )
    ]
