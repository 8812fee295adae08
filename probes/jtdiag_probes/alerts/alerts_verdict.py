"""Judge the results of the probe `alerts`."""

import numpy as np
import xarray as xr

from jtdiag import names, rules
from jtdiag.alerts import lane_verdicts
from jtdiag.alerts.lane_verdicts import LaneVerdict
from jtdiag.probing.findings import Finding
from jtdiag.rules.contract import History, Verdict
from jtdiag.rules.limits import EARLY_EPOCH, LEADER_SKILL
from jtdiag.rules.module_history import METRICS, ModuleHistory
from jtdiag.rules.skill import skill_ratio
from jtdiag_probes.alerts import wording
from jtdiag_probes.alerts.wording import Fired, Summary, Uneven, Unlearned

RULE = "rule"
FEW_MEMBERS = 1.5
"""Effective number of members below which one member has nearly all of the ensemble's logits: with
two members, a share of more than 79 %."""


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
        examples=int(lane.attrs.get("training_examples", 0)) or None,
        displacement=epochs[names.DISPLACEMENT].values,
        lam=epochs[names.LAM_AT].values,
        head_from=int(lane.attrs.get("head_from", 0)),
        modules=_modules(epochs),
    )
    return rules.first(history)


def _modules(epochs: xr.Dataset) -> ModuleHistory | None:
    """Return what was measured module by module; None if members are trained as a whole."""
    if names.MODULE not in epochs.dims:
        return None
    by_epoch = epochs.transpose(names.EPOCH, names.MEMBER, names.MODULE, ...)
    known = {name: by_epoch[name].values for name in METRICS if by_epoch[name].notnull().any()}
    return ModuleHistory.of(
        map(str, epochs[names.MODULE].values), known, int(epochs.attrs["warmup"])
    )


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
    uneven = [lam for lam in judged if lam not in affected and _one_has_the_logits(result, lam)]
    neither = [lam for lam in judged if lam not in affected and lam not in uneven]
    summary = Summary(
        dominance=dominance,
        codependence=codependence,
        uneven=[Uneven(lam, _effective(result, lam)) for lam in uneven],
        neither=neither,
        unlearned=_unlearned(result),
        diverged=_diverged(result),
        members=result.sizes[names.MEMBER],
    )
    return [
        Finding(
            probe="alerts",
            rule="carried",
            level="info",
            number=float(len(affected)),
            limit=0.0,
            sentence=wording.carried(summary),
            headline=wording.carried_headline(summary),
        )
    ]


def _effective(result: xr.Dataset, lam: float) -> float:
    """Return the effective number of members at a λ, mean over judged trials; NaN if unknown."""
    if "effective_members" not in result:
        return np.nan
    judged = result["effective_members"].isel({names.TRIAL: list(_last(result, lam))})
    return float(judged.sel({names.LAM: lam}).mean())


def _one_has_the_logits(result: xr.Dataset, lam: float) -> bool:
    """Return whether one member has nearly all of the ensemble's logits; False if unknown."""
    return _effective(result, lam) < FEW_MEMBERS


def _unlearned(result: xr.Dataset) -> list[Unlearned]:
    """Return at which λ, and in how many trials, too little has been learned to be judged."""
    unlearned = []
    for lam in sorted(map(float, result[names.LAM].values)):
        last, judged = _last_epochs(result, lam), _last(result, lam)
        at_lam = result[names.ENSEMBLE_ERROR].sel({names.LAM: lam})
        error = at_lam.transpose(names.TRIAL, names.EPOCH).values
        ratios = [
            error[t, index] / result.attrs["chance_error"]
            for t, index in last.items()
            if t not in judged and result.attrs["chance_error"] > 0
        ]
        if ratios:
            unlearned.append(Unlearned(lam, len(ratios), len(last), float(np.mean(ratios))))
    return unlearned


def _diverged(result: xr.Dataset) -> list[float]:
    """Return the λs at which every trial that has begun diverged."""
    rates = result["diverged"].mean(names.TRIAL)  # NaN is left out
    return sorted(float(rate[names.LAM]) for rate in rates if rate == 1)


def _last_epochs(result: xr.Dataset, lam: float) -> dict[int, int]:
    """Return the last sealed epoch of each trial of a λ, by index, if not before `EARLY_EPOCH`.

    Trials that diverged are left out.
    """
    lam_at = result[names.LAM_AT].sel({names.LAM: lam}).transpose(names.TRIAL, names.EPOCH).values
    last = {
        t: int(np.flatnonzero(row)[-1]) for t, row in enumerate(np.isfinite(lam_at)) if row.any()
    }
    epochs = result[names.EPOCH].values
    lost = result["diverged"].sel({names.LAM: lam}).values == 1
    return {t: i for t, i in last.items() if epochs[i] >= EARLY_EPOCH and not lost[t]}


def _last(result: xr.Dataset, lam: float) -> dict[int, int]:
    """Return the last sealed epoch of each trial of a λ that can be judged, by index.

    The rules do not fire before `EARLY_EPOCH`, nor where the ensemble has learned too little.
    """
    of_rule = result["number"].sel({RULE: "dominance", names.LAM: lam})
    number = of_rule.transpose(names.TRIAL, names.EPOCH).values
    last = _last_epochs(result, lam)
    return {t: index for t, index in last.items() if np.isfinite(number[t, index])}


def _at_end(result: xr.Dataset, rule: str, lam: float) -> Fired | None:
    """Return in how many trials of a λ a rule fires at the last epoch; None if in none."""
    last = _last(result, lam)
    of_rule = result.sel(rule=rule).sel({names.LAM: lam})
    spoke = of_rule["spoke"].transpose(names.TRIAL, names.EPOCH).values
    count = sum(spoke[t, index] > 0 for t, index in last.items())
    if not count:
        return None
    first = of_rule["first_spoke"].values
    return Fired(
        lam,
        int(count),
        len(last),
        epoch=int(first[first >= 0].min()),
        leaders=_most_leaders(result, lam, last),
        effective=_effective(result, lam),
        members=result.sizes[names.MEMBER],
    )


def _most_leaders(result: xr.Dataset, lam: float, last: dict[int, int]) -> int:
    """Return the largest number of members that dominate in a trial at its last epoch."""
    dominance = result["spoke"].sel({RULE: "dominance", names.LAM: lam})
    spoke = dominance.transpose(names.TRIAL, names.EPOCH).values
    counts = [1]
    for t, index in last.items():
        if spoke[t, index] > 0:
            lane = result.isel({names.TRIAL: t, names.EPOCH: index}).sel({names.LAM: lam})
            share = skill_ratio(
                lane[names.MEMBER_ERROR].values,
                lane[names.ENSEMBLE_ERROR].values,
                float(result.attrs["chance_error"]),
            )
            counts.append(int((share >= LEADER_SKILL).sum()))
    return max(counts)
