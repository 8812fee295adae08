"""The probe `alerts`: which early-warning rules fire in every lane, and since when."""

import numpy as np
import xarray as xr

from jtdiag import names, rules
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.rules import usable
from jtdiag.rules.contract import History
from jtdiag.rules.module_history import METRICS
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run
from jtdiag_probes.alerts.alerts_verdict import RULE, judge
from jtdiag_probes.shared import decomposition
from jtdiag_probes.shared.outputs import pieces

_LANE = (names.LAM, names.TRIAL)
_LANE_EPOCH = (*_LANE, names.EPOCH)
_BY_MEMBER = (*_LANE_EPOCH, names.MEMBER)
_BY_MODULE = (*_BY_MEMBER, names.MODULE)
_BY_RULE = (RULE, *_LANE_EPOCH)
_RUNNING = "in training, running mean over the epoch; NaN if not sealed"

WRITES = {
    "number": Var(
        dims=_BY_RULE,
        unit=names.FRACTION,
        meaning="number that a rule compares with its limit; NaN if undefined",
    ),
    "spoke": Var(
        dims=_BY_RULE,
        unit=names.FRACTION,
        meaning="1 if the rule fires after an epoch, else 0; NaN if not sealed",
    ),
    "first_spoke": Var(
        dims=(RULE, *_LANE),
        unit=names.INDEX,
        meaning="first epoch after which the rule fired; -1 if it never did",
    ),
    "limit": Var(
        dims=(RULE,), unit=names.FRACTION, meaning="limit that the number is compared with"
    ),
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
        meaning="distance of a member's parameters from initialization; NaN if not kept",
    ),
    names.LAM_AT: Var(
        dims=_LANE_EPOCH, unit=names.FRACTION, meaning="λ with which the epoch was trained"
    ),
    names.MODULE_ERROR: Var(
        dims=_BY_MODULE,
        unit=names.FRACTION,
        meaning=f"error of a module's local head {_RUNNING}, or if there are none",
        of_modules=True,
    ),
    names.DEAD_ROWS: Var(
        dims=_BY_MODULE,
        unit=names.FRACTION,
        meaning=f"share of examples for which a module returns only 0 {_RUNNING}",
        of_modules=True,
    ),
    names.SYNTHETIC_R2: Var(
        dims=_BY_MODULE,
        unit=names.FRACTION,
        meaning="R² of synthetic gradients in an epoch; NaN without",
        of_modules=True,
    ),
    "diverged": Var(
        dims=_LANE,
        unit=names.FRACTION,
        meaning=(
            "1 if a training loss after the last sealed epoch is not finite or beyond all use, "
            "else 0; NaN if not sealed"
        ),
    ),
    "effective_members": Var(
        dims=_LANE,
        unit=names.COUNT,
        meaning=(
            "1/Σ share² of the members' shares of the ensemble's logits, on test after the last "
            "sealed epoch; NaN if its outputs are not kept"
        ),
        from_outputs=True,
    ),
}
_OF_HISTORY = (*names.METRIC_VARIABLES, names.DISPLACEMENT)


def measure(run: Run, options: Options) -> xr.Dataset:
    """Evaluate every rule on every lane after every sealed epoch."""
    recipe = run.recipe
    histories = {lane: run.history(lane) for lane in run.lanes}
    epochs = max((h.last for h in histories.values() if h is not None), default=-1) + 1
    sizes = dict(zip(_LANE_EPOCH, (len(recipe.lam), recipe.trials, epochs), strict=True))
    sizes |= {names.MEMBER: recipe.members.count, RULE: len(rules.RULES.names())}
    sizes |= {names.MODULE: len(run.modules)}
    arrays = {
        name: np.full([sizes[dim] for dim in var.dims], -1.0 if name == "first_spoke" else np.nan)
        for name, var in probe.declared(run, options).items()
    }
    for lane, history in histories.items():
        index = (lane.lam_index, lane.trial)
        if history is not None:
            _fill(arrays, index, history)
            arrays["diverged"][index] = usable.has_diverged(history)
        if not options.metrics_only:
            arrays["effective_members"][index] = _effective_members(run, lane)
    arrays["limit"] = np.array([rule.limit for rule in rules.RULES.all()])
    return xr.Dataset(
        {name: (WRITES[name].dims, values) for name, values in arrays.items()},
        coords={
            RULE: np.asarray(rules.RULES.names(), dtype=np.dtypes.StringDType()),
            names.LAM: np.asarray(recipe.lam),
            names.TRIAL: np.arange(recipe.trials),
            names.EPOCH: np.arange(epochs),
            names.MEMBER: np.arange(recipe.members.count),
            **_module_names(run),
        },
        attrs={
            "chance_error": run.chance_error,
            "chance_loss": run.chance_loss or np.nan,
            "training_examples": run.training_examples or 0,
            "head_from": run.recipe.modules.head_from,
            "warmup": run.recipe.modules.warmup,
        },
    )


def _module_names(run: Run) -> dict[str, np.ndarray]:
    """Return the coordinate of the modules; none if members are trained as a whole."""
    labels = np.asarray(list(run.modules), dtype=np.dtypes.StringDType())
    return {names.MODULE: labels} if run.modules else {}


def _effective_members(run: Run, lane: Lane) -> float:
    """Return the effective number of members on test after the last sealed epoch."""
    seal = run.seal(lane)
    if seal.epoch not in seal.outputs or names.TEST not in run.recipe.keep.splits:
        return np.nan
    projection, norm = np.zeros(run.recipe.members.count), 0.0
    with np.errstate(invalid="ignore", over="ignore"):  # diverged members are NaN
        for block in pieces(run.outputs(lane, seal.epoch, names.TEST)):
            logits = block.logits.astype(np.float64)
            on_block, norm_on_block = decomposition.logit_projections(logits, run.family)
            projection, norm = projection + on_block, norm + norm_on_block
        return float(decomposition.effective_members(projection / norm)) if norm > 0 else np.nan


def _fill(arrays: dict[str, np.ndarray], lane: tuple[int, int], history: History) -> None:
    """Write the values of one lane into the arrays."""
    for name in (n for n in _OF_HISTORY if getattr(history, n) is not None):
        arrays[name][(*lane, history.epoch)] = getattr(history, name)
    arrays[names.LAM_AT][(*lane, history.epoch)] = history.lam
    for name in METRICS if history.modules is not None else ():
        if (values := getattr(history.modules, name)) is not None:
            arrays[name][(*lane, history.epoch)] = values
    for epoch in history.epoch:
        so_far = history.until(int(epoch))
        fired = {verdict.rule for verdict in rules.judge(so_far)}
        for i, (name, score) in enumerate(rules.scores(so_far).items()):
            arrays["number"][i, *lane, epoch] = score
            arrays["spoke"][i, *lane, epoch] = float(name in fired)
    for verdict in rules.first(history):
        arrays["first_spoke"][rules.rank(verdict.rule), *lane] = verdict.epoch


probe = Probe(
    name="alerts",
    question="Which early-warning rules fire, and since when?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="cheap",
    every_lane=True,
)
