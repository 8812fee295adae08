"""Alerts: what the rules of the early warning say of every lane, and since when."""

import numpy as np
import xarray as xr

from jtdiag import names, rules
from jtdiag.alerts import lane_verdicts
from jtdiag.alerts.lane_verdicts import LaneVerdict
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.probing.findings import Finding
from jtdiag.rules.contract import History, Verdict
from jtdiag.store.run import Run

RULE = "rule"
_LANE = (names.LAM, names.TRIAL)
_LANE_EPOCH = (*_LANE, names.EPOCH)
_BY_MEMBER = (*_LANE_EPOCH, names.MEMBER)
_BY_RULE = (RULE, *_LANE_EPOCH)
_RUNNING = "in training, running mean over the epoch; NaN if not sealed"

WRITES = {
    "number": Var(
        dims=_BY_RULE,
        unit=names.FRACTION,
        meaning="what a rule compares with its limit; NaN where it cannot be told",
    ),
    "spoke": Var(
        dims=_BY_RULE,
        unit=names.FRACTION,
        meaning="1 where the rule speaks after an epoch, else 0; NaN if not sealed",
    ),
    "first_spoke": Var(
        dims=(RULE, *_LANE),
        unit=names.INDEX,
        meaning="first epoch after which the rule spoke; -1 if it never did",
    ),
    "limit": Var(dims=(RULE,), unit=names.FRACTION, meaning="what the number is compared with"),
    names.MEMBER_ERROR: Var(
        dims=_BY_MEMBER, unit=names.FRACTION, meaning=f"error of a member {_RUNNING}"
    ),
    names.MEMBER_LOSS: Var(dims=_BY_MEMBER, unit=names.NAT, meaning=f"loss of a member {_RUNNING}"),
    names.ENSEMBLE_ERROR: Var(
        dims=_LANE_EPOCH, unit=names.FRACTION, meaning=f"error of the ensemble {_RUNNING}"
    ),
    names.ENSEMBLE_LOSS: Var(
        dims=_LANE_EPOCH, unit=names.NAT, meaning=f"loss of the ensemble {_RUNNING}"
    ),
    names.DISPLACEMENT: Var(
        dims=_BY_MEMBER,
        unit=names.FRACTION,
        meaning="distance of a member's parameters from epoch 0; NaN in runs that do not keep it",
    ),
    names.LAM_AT: Var(
        dims=_LANE_EPOCH, unit=names.FRACTION, meaning="λ with which an epoch was trained"
    ),
}
_OF_HISTORY = (*names.METRIC_VARIABLES, names.DISPLACEMENT)


def measure(run: Run, options: Options) -> xr.Dataset:
    """Apply every rule to every lane after every sealed epoch."""
    recipe = run.recipe
    histories = {lane: run.history(lane) for lane in run.lanes}
    epochs = max((h.last for h in histories.values() if h is not None), default=-1) + 1
    sizes = dict(zip(_LANE_EPOCH, (len(recipe.lam), recipe.trials, epochs), strict=True))
    sizes |= {names.MEMBER: recipe.members.count, RULE: len(rules.RULES.names())}
    found = {
        name: np.full([sizes[dim] for dim in var.dims], -1.0 if name == "first_spoke" else np.nan)
        for name, var in WRITES.items()
    }
    for lane, history in histories.items():
        if history is not None:
            _fill(found, (lane.lam_index, lane.trial), history)
    found["limit"] = np.array([rule.limit for rule in rules.RULES.all()])
    return xr.Dataset(
        {name: (WRITES[name].dims, values) for name, values in found.items()},
        coords={
            RULE: np.asarray(rules.RULES.names(), dtype=np.dtypes.StringDType()),
            names.LAM: np.asarray(recipe.lam),
            names.TRIAL: np.arange(recipe.trials),
            names.EPOCH: np.arange(epochs),
            names.MEMBER: np.arange(recipe.members.count),
        },
        attrs={"chance_error": run.chance_error, "chance_loss": run.chance_loss or np.nan},
    )


def _fill(found: dict[str, np.ndarray], lane: tuple[int, int], history: History) -> None:
    """Enter one lane."""
    for name in (n for n in _OF_HISTORY if getattr(history, n) is not None):
        found[name][(*lane, history.epoch)] = getattr(history, name)
    found[names.LAM_AT][(*lane, history.epoch)] = history.lam
    for epoch in history.epoch:
        so_far = history.until(int(epoch))
        speaking = {verdict.rule for verdict in rules.judge(so_far)}
        for i, (name, score) in enumerate(rules.scores(so_far).items()):
            found["number"][i, *lane, epoch] = score
            found["spoke"][i, *lane, epoch] = float(name in speaking)
    for verdict in rules.first(history):
        found["first_spoke"][rules.rank(verdict.rule), *lane] = verdict.epoch


def judge(result: xr.Dataset) -> list[Finding]:
    """Tell what each rule said when it first spoke, for each λ over its trials."""
    told = [
        LaneVerdict(verdict=verdict, lam=float(lam), trial=int(trial))
        for lam in result[names.LAM].values
        for trial in result[names.TRIAL].values
        for verdict in _verdicts(result.sel({names.LAM: lam, names.TRIAL: trial}))
    ]
    groups: dict[tuple[int, float], list[LaneVerdict]] = {}
    for one in told:
        key = (rules.rank(one.verdict.rule), one.lam or 0.0)
        groups.setdefault(key, []).append(one)
    return [
        finding
        for (_, lam), group in sorted(groups.items(), key=lambda item: item[0])
        for finding in lane_verdicts.findings(group, trials=_reached(result, lam, group))
    ]


def _reached(result: xr.Dataset, lam: float, group: list[LaneVerdict]) -> int:
    """Return in how many trials of a λ the epoch is sealed at which a rule first spoke."""
    epoch = min(one.verdict.epoch for one in group)
    at = result[names.LAM_AT].sel({names.LAM: lam, names.EPOCH: epoch})
    return int(at.notnull().sum())


def _verdicts(lane: xr.Dataset) -> list[Verdict]:
    sealed = lane[names.LAM_AT].notnull().values
    if not sealed.any():
        return []
    known = lane.isel({names.EPOCH: sealed})
    loss, moved = float(lane.attrs["chance_loss"]), known[names.DISPLACEMENT].values
    history = History(
        epoch=known[names.EPOCH].values,
        **{name: known[name].values for name in names.METRIC_VARIABLES},
        chance_error=float(lane.attrs["chance_error"]),
        chance_loss=loss if np.isfinite(loss) else None,
        displacement=moved,
        lam=known[names.LAM_AT].values,
    )
    return rules.first(history)


probe = Probe(
    name="alerts",
    question="Is training about to fail, by which rule, and since when?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="cheap",
)
