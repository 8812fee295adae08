"""Judge the results of the probe `alerts`."""

import numpy as np
import xarray as xr

from jtdiag import names, rules
from jtdiag.alerts import lane_verdicts
from jtdiag.alerts.lane_verdicts import LaneVerdict
from jtdiag.probing.findings import Finding
from jtdiag.rules.contract import History, Verdict
from jtdiag.rules.limits import EARLY_EPOCH
from jtdiag_probes.alerts import wording
from jtdiag_probes.alerts.wording import Fired


def judge(result: xr.Dataset) -> list[Finding]:
    """Return a finding for each rule and λ at which it fired, and whether one member dominates."""
    return [*_fired(result), *_carried(result)]


def _fired(result: xr.Dataset) -> list[Finding]:
    verdicts = [
        LaneVerdict(verdict=verdict, lam=float(lam), trial=int(trial))
        for lam in result[names.LAM].values
        for trial in result[names.TRIAL].values
        for verdict in _verdicts(result.sel({names.LAM: lam, names.TRIAL: trial}))
    ]
    groups: dict[tuple[int, float], list[LaneVerdict]] = {}
    for verdict in verdicts:
        key = (rules.rank(verdict.verdict.rule), verdict.lam or 0.0)
        groups.setdefault(key, []).append(verdict)
    return [
        finding
        for (_, lam), group in sorted(groups.items(), key=lambda item: item[0])
        for finding in lane_verdicts.findings(group, trials=_reached(result, lam, group))
    ]


def _reached(result: xr.Dataset, lam: float, group: list[LaneVerdict]) -> int:
    """Return in how many trials of a λ the epoch is sealed after which a rule first fired."""
    epoch = min(verdict.verdict.epoch for verdict in group)
    lam_at = result[names.LAM_AT].sel({names.LAM: lam, names.EPOCH: epoch})
    return int(lam_at.notnull().sum())


def _verdicts(lane: xr.Dataset) -> list[Verdict]:
    """Return the first verdict of each rule that fired in a lane."""
    sealed = lane[names.LAM_AT].notnull().values
    if not sealed.any():
        return []
    epochs = lane.isel({names.EPOCH: sealed})
    loss = float(lane.attrs["chance_loss"])
    history = History(
        epoch=epochs[names.EPOCH].values,
        **{name: epochs[name].values for name in names.METRIC_VARIABLES},
        chance_error=float(lane.attrs["chance_error"]),
        chance_loss=loss if np.isfinite(loss) else None,
        displacement=epochs[names.DISPLACEMENT].values,
        lam=epochs[names.LAM_AT].values,
    )
    return rules.first(history)


def _carried(result: xr.Dataset) -> list[Finding]:
    """Report at which λ one member dominates, or all are weak on their own, at the end."""
    if result.sizes[names.MEMBER] < 2:
        return []
    judged = [lam for lam in sorted(map(float, result[names.LAM].values)) if _last(result, lam)]
    dominance, codependence = (
        [fired for lam in judged if (fired := _at_end(result, rule, lam)) is not None]
        for rule in ("dominance", "codependence")
    )
    affected = {fired.lam for fired in (*dominance, *codependence)}
    neither = [lam for lam in judged if lam not in affected]
    return [
        Finding(
            probe="alerts",
            rule="carried",
            level="info",
            number=float(len(affected)),
            limit=0.0,
            sentence=wording.carried(dominance, codependence, neither),
            headline=wording.carried_headline(dominance, codependence, neither),
        )
    ]


def _last(result: xr.Dataset, lam: float) -> dict[int, int]:
    """Return the last sealed epoch of each trial of a λ that can be judged, by index.

    The rules do not fire before `EARLY_EPOCH`, nor where the ensemble has no skill.
    """
    of_rule = result.sel(rule="dominance").sel({names.LAM: lam})
    spoke, number = (
        of_rule[name].transpose(names.TRIAL, names.EPOCH).values for name in ("spoke", "number")
    )
    last = {
        t: int(np.flatnonzero(row)[-1]) for t, row in enumerate(np.isfinite(spoke)) if row.any()
    }
    epochs = result[names.EPOCH].values
    return {
        t: index
        for t, index in last.items()
        if epochs[index] >= EARLY_EPOCH and np.isfinite(number[t, index])
    }


def _at_end(result: xr.Dataset, rule: str, lam: float) -> Fired | None:
    """Return in how many trials of a λ a rule fires at the last epoch; None if in none."""
    last = _last(result, lam)
    of_rule = result.sel(rule=rule).sel({names.LAM: lam})
    spoke = of_rule["spoke"].transpose(names.TRIAL, names.EPOCH).values
    count = sum(spoke[t, index] > 0 for t, index in last.items())
    if not count:
        return None
    first = of_rule["first_spoke"].values
    return Fired(lam, int(count), len(last), epoch=int(first[first >= 0].min()))
