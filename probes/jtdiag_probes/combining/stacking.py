"""Stacking: how good a trained combiner of independently trained members is (Wolpert 1992)."""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from scipy.special import log_softmax

from jtdiag import names
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.probing.findings import Finding
from jtdiag.probing.over_trials import standard_error
from jtdiag.store.lanes import Lane
from jtdiag.store.run import OutputBlock, Run
from jtdiag_probes.combining.meta_learner import MetaLearner, features, fit

_LANE = (names.LAM, names.TRIAL)
_LANE_SPLIT = (*_LANE, names.SPLIT)
_SPLITS = (names.VAL, names.TEST)
_ERRORS = {
    "stacked_error": (names.FRACTION, "error of the stacked ensemble"),
    "stacked_loss": (names.NAT, "loss of the stacked ensemble"),
    "averaged_error": (names.FRACTION, "error of the averaged logits of the same members"),
}
_NOTE = "at the epoch that validation chose; val: in sample, the meta-learner was fitted to it"

WRITES = {
    **{
        name: Var(dims=_LANE_SPLIT, unit=unit, meaning=f"{what}, {_NOTE}", from_outputs=True)
        for name, (unit, what) in _ERRORS.items()
    },
    **{
        f"{name}_mean": Var(
            dims=(names.LAM, names.SPLIT),
            unit=unit,
            meaning=f"{what}, mean over trials",
            from_outputs=True,
        )
        for name, (unit, what) in _ERRORS.items()
    },
    **{
        f"{name}_se": Var(
            dims=(names.LAM, names.SPLIT),
            unit=unit,
            meaning=f"{what}, standard error over trials (n−1 in the variance); NaN for one trial",
            from_outputs=True,
        )
        for name, (unit, what) in _ERRORS.items()
    },
    "coefficient": Var(
        dims=(*_LANE, names.OUTPUT, names.MEMBER, names.MEMBER_OUTPUT),
        unit=names.FRACTION,
        meaning="what an output of the stacked ensemble takes of a member's output",
        from_outputs=True,
    ),
    "intercept": Var(
        dims=(*_LANE, names.OUTPUT),
        unit=names.NAT,
        meaning="constant of an output; minus infinity for a class not seen",
        from_outputs=True,
    ),
    "iterations": Var(
        dims=_LANE,
        unit=names.COUNT,
        meaning="iterations of the fit; negative where it did not converge in as many",
        from_outputs=True,
    ),
}


def measure(run: Run, options: Options) -> xr.Dataset:
    """Fit a meta-learner to every lane of independent members, and measure it on test.

    A lane that did not train independently, or keeps no validation or test outputs of its chosen
    epoch, is NaN.
    """
    if options.metrics_only:
        return xr.Dataset()
    found = _empty(run)
    for lane in run.lanes:
        if can_be_stacked(run, lane):
            _measure_lane(run, lane, found)
    errors = found[list(_ERRORS)]
    means = errors.mean(names.TRIAL).rename({n: f"{n}_mean" for n in _ERRORS})
    doubts = errors.map(standard_error).rename({n: f"{n}_se" for n in _ERRORS})
    return xr.merge([found, means, doubts])


def can_be_stacked(run: Run, lane: Lane) -> bool:
    """Tell whether a lane's members were trained independently, and what fitting needs is kept."""
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


def _measure_lane(run: Run, lane: Lane, found: xr.Dataset) -> None:
    """Write one lane's fit and errors into the result."""
    epoch, at = run.chosen_epoch(lane), (lane.lam_index, lane.trial)
    blocks = list(run.outputs(lane, epoch, names.VAL))
    side_by_side = np.concatenate([features(block.logits) for block in blocks])
    target = np.concatenate([block.target for block in blocks])
    learner = fit(side_by_side, target, run.outputs_per_member)
    if learner is None:
        return
    found["coefficient"].values[at] = learner.coefficient
    found["intercept"].values[at] = learner.intercept
    found["iterations"].values[at] = learner.iterations * (1 if learner.converged else -1)
    for i, split in enumerate(_SPLITS):
        numbers = errors(learner, run.outputs(lane, epoch, split))
        for name, number in zip(_ERRORS, numbers, strict=True):
            found[name].values[(*at, i)] = number


def errors(learner: MetaLearner, blocks: Iterator[OutputBlock]) -> tuple[float, float, float]:
    """Return the stacked ensemble's error and loss, and the averaged logits' error."""
    wrong, loss, wrong_averaged, count = 0, 0.0, 0, 0
    for block in blocks:
        stacked, rows = learner(block.logits), np.arange(len(block.target))
        wrong += int((stacked.argmax(-1) != block.target).sum())
        loss -= float(log_softmax(stacked, axis=-1)[rows, block.target].sum())
        averaged = block.logits.mean(0, dtype=np.float64)
        wrong_averaged += int((averaged.argmax(-1) != block.target).sum())
        count += len(rows)
    return wrong / count, loss / count, wrong_averaged / count


def judge(result: xr.Dataset) -> list[Finding]:
    """Say whether the trained combiner is better than the mean, and whether it was trained."""
    if "stacked_error" not in result:
        return []
    found = []
    for lam in result[names.LAM].values:
        at = result.sel({names.LAM: lam})
        if np.isfinite(at["stacked_error_mean"].sel({names.SPLIT: names.TEST})):
            found.append(_against_the_mean(at))
            found += _unfinished(at)
    return found


def _against_the_mean(at: xr.Dataset) -> Finding:
    lam, on_test = float(at[names.LAM]), at.sel({names.SPLIT: names.TEST})
    return Finding(
        probe="stacking",
        rule="stacked",
        level="info",
        lam=lam,
        number=float(on_test["stacked_error_mean"]),
        sentence=(
            f"λ = {lam:g}: a combiner trained on the validation outputs of these members has test "
            f"error {_percent(on_test, 'stacked_error')}, their averaged logits "
            f"{_percent(on_test, 'averaged_error')}{_doubt(on_test)}."
        ),
    )


def _doubt(on_test: xr.Dataset) -> str:
    """Say where the difference, trial by trial, is below two standard errors of its mean."""
    difference = on_test["stacked_error"] - on_test["averaged_error"]
    se = float(standard_error(difference))
    return " (no clear difference)" if abs(float(difference.mean())) <= 2 * se else ""


def _unfinished(at: xr.Dataset) -> list[Finding]:
    trials = np.flatnonzero(at["iterations"].values < 0)
    if not trials.size:
        return []
    lam = float(at[names.LAM])
    return [
        Finding(
            probe="stacking",
            rule="unfinished",
            level="info",
            lam=lam,
            trials=tuple(int(t) for t in trials),
            number=float(trials.size),
            sentence=(
                f"λ = {lam:g}: in {trials.size} trials the fit of the combiner ended before it "
                "converged; its errors are those of a fit that was stopped early."
            ),
        )
    ]


def _percent(on_test: xr.Dataset, name: str) -> str:
    mean, se = 100 * float(on_test[f"{name}_mean"]), 100 * float(on_test[f"{name}_se"])
    return f"{mean:.1f} %" + (f" ± {se:.1f}" if np.isfinite(se) else "")


probe = Probe(
    name="stacking",
    question="How good is a trained combiner of independently trained members?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
)
