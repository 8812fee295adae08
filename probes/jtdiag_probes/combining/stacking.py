"""The probe `stacking`: a trained combiner of independently trained members (Wolpert 1992)."""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from scipy.special import log_softmax

from jtdiag import names, stats
from jtdiag.probing import over_trials
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.probing.findings import Finding
from jtdiag.store.lanes import Lane
from jtdiag.store.run import OutputBlock, Run
from jtdiag_probes.combining import wording
from jtdiag_probes.combining.comparison import compare
from jtdiag_probes.combining.meta_learner import MetaLearner, features, fit

_LANE = (names.LAM, names.TRIAL)
_LANE_SPLIT = (*_LANE, names.SPLIT)
_SPLITS = (names.VAL, names.TEST)
_MEASURES = {
    "stacked_error": (names.FRACTION, "error of the stacked ensemble"),
    "stacked_loss": (names.NAT, "loss of the stacked ensemble"),
    "averaged_error": (names.FRACTION, "error of the averaged logits of the same members"),
}
_COUNTS = {
    "stacked_only_wrong": "examples on which only the stacked ensemble is wrong",
    "averaged_only_wrong": "examples on which only the averaged logits are wrong",
}
_NOTE = "at the chosen epoch; on val in sample, since the combiner was fitted to it"

WRITES = {
    **{
        name: Var(dims=_LANE_SPLIT, unit=unit, meaning=f"{meaning}, {_NOTE}", from_outputs=True)
        for name, (unit, meaning) in _MEASURES.items()
    },
    **{
        key: var
        for name, (unit, meaning) in _MEASURES.items()
        for key, var in over_trials.variables(
            name, (names.LAM, names.SPLIT), unit, meaning, from_outputs=True
        ).items()
    },
    **{
        name: Var(
            dims=_LANE_SPLIT, unit=names.COUNT, meaning=f"{meaning}, {_NOTE}", from_outputs=True
        )
        for name, meaning in _COUNTS.items()
    },
    "coefficient": Var(
        dims=(*_LANE, names.OUTPUT, names.MEMBER, names.MEMBER_OUTPUT),
        unit=names.FRACTION,
        meaning="weight of a member's output in an output of the stacked ensemble",
        from_outputs=True,
    ),
    "intercept": Var(
        dims=(*_LANE, names.OUTPUT),
        unit=names.NAT,
        meaning="intercept of an output; minus infinity for classes without training examples",
        from_outputs=True,
    ),
    "iterations": Var(
        dims=_LANE,
        unit=names.COUNT,
        meaning="iterations of the fit; negative if it did not converge",
        from_outputs=True,
    ),
}


def measure(run: Run, options: Options) -> xr.Dataset:
    """Fit a combiner to every lane of independently trained members, and measure it on test.

    NaN for lanes that were trained jointly, or whose validation or test outputs are not kept at
    the chosen epoch.
    """
    if options.metrics_only:
        return xr.Dataset()
    result = _empty(run)
    for lane in run.lanes:
        if can_be_stacked(run, lane):
            _measure_lane(run, lane, result)
    return xr.merge([result, over_trials.summary(result[list(_MEASURES)])])


def can_be_stacked(run: Run, lane: Lane) -> bool:
    """Return whether a lane's members were trained independently and the outputs are kept."""
    seal, recipe = run.seal(lane), run.recipe
    kept = seal.best in seal.outputs and set(_SPLITS) <= set(recipe.keep.splits)
    independent = run.lam(lane) == 0 and run.lam_at(lane, 1) == 0
    return independent and kept and run.family.classes


def _empty(run: Run) -> xr.Dataset:
    recipe, outputs = run.recipe, run.outputs_per_member
    sizes = {
        names.LAM: len(recipe.lam),
        names.TRIAL: recipe.trials,
        names.SPLIT: len(_SPLITS),
        names.MEMBER: recipe.members.count,
        names.OUTPUT: outputs,
        names.MEMBER_OUTPUT: outputs,
    }
    arrays = {
        name: (var.dims, np.full([sizes[d] for d in var.dims], np.nan))
        for name, var in WRITES.items()
        if names.TRIAL in var.dims
    }
    coords = {
        names.LAM: np.asarray(recipe.lam, dtype=np.float64),
        names.SPLIT: np.asarray(_SPLITS, dtype=np.dtypes.StringDType()),
    }
    return xr.Dataset(arrays, coords=coords)


def _measure_lane(run: Run, lane: Lane, result: xr.Dataset) -> None:
    """Write one lane's fit and errors into the result."""
    epoch, index = run.chosen_epoch(lane), (lane.lam_index, lane.trial)
    blocks = list(run.outputs(lane, epoch, names.VAL))
    side_by_side = np.concatenate([features(block.logits) for block in blocks])
    target = np.concatenate([block.target for block in blocks])
    learner = fit(side_by_side, target, run.outputs_per_member)
    if learner is None:
        return
    result["coefficient"].values[index] = learner.coefficient
    result["intercept"].values[index] = learner.intercept
    result["iterations"].values[index] = learner.iterations * (1 if learner.converged else -1)
    for i, split in enumerate(_SPLITS):
        numbers = errors(learner, run.outputs(lane, epoch, split))
        for name, number in numbers.items():
            result[name].values[(*index, i)] = number


def errors(learner: MetaLearner, blocks: Iterator[OutputBlock]) -> dict[str, float]:
    """Return errors and loss of the two combiners, and on how many examples only one is wrong."""
    sums, count = dict.fromkeys((*_MEASURES, *_COUNTS), 0.0), 0
    for block in blocks:
        logits, rows = learner(block.logits), np.arange(len(block.target))
        stacked = logits.argmax(-1) != block.target
        averaged = block.logits.mean(0, dtype=np.float64).argmax(-1) != block.target
        sums["stacked_error"] += int(stacked.sum())
        sums["averaged_error"] += int(averaged.sum())
        sums["stacked_loss"] -= float(log_softmax(logits, axis=-1)[rows, block.target].sum())
        sums["stacked_only_wrong"] += int((stacked & ~averaged).sum())
        sums["averaged_only_wrong"] += int((averaged & ~stacked).sum())
        count += len(rows)
    return {name: total if name in _COUNTS else total / count for name, total in sums.items()}


def judge(result: xr.Dataset) -> list[Finding]:
    """Compare the trained combiner with averaged logits, and report fits that did not converge.

    A single member is not combined.
    """
    if "stacked_error" not in result or result.sizes[names.MEMBER] < 2:
        return []
    on_test = result["stacked_error_mean"].sel({names.SPLIT: names.TEST})
    measured = result[names.LAM].values[np.isfinite(on_test.values)]
    findings = []
    for lam in measured:
        at_lam = result.sel({names.LAM: lam})
        findings.append(_compared(at_lam, len(measured)))
        findings += _not_converged(at_lam)
    return findings


def _compared(at_lam: xr.Dataset, comparisons: int) -> Finding:
    on_test = at_lam.sel({names.SPLIT: names.TEST}).dropna(names.TRIAL, subset=["stacked_error"])
    stacked, averaged = on_test["stacked_error"].values, on_test["averaged_error"].values
    lam, counts = float(at_lam[names.LAM]), [on_test[name].values for name in _COUNTS]
    return Finding(
        probe="stacking",
        rule="stacked",
        level="info",
        lam=lam,
        number=float(on_test["stacked_error_mean"]),
        sentence=wording.stacked(
            lam,
            stats.mean_interval(stacked),
            stats.mean_interval(averaged),
            compare(stacked - averaged, comparisons, *counts),
        ),
    )


def _not_converged(at_lam: xr.Dataset) -> list[Finding]:
    trials = np.flatnonzero(at_lam["iterations"].values < 0)
    if not trials.size:
        return []
    lam = float(at_lam[names.LAM])
    return [
        Finding(
            probe="stacking",
            rule="unfinished",
            level="info",
            lam=lam,
            trials=tuple(int(t) for t in trials),
            number=float(trials.size),
            sentence=wording.fit_not_converged(lam, trials.size),
        )
    ]


probe = Probe(
    name="stacking",
    question="How well does a trained combiner of independently trained members do?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
    needs_skill=True,
    compares_members=True,
)
