"""Calibration: whether confidence matches accuracy, for the ensemble and for single members."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names, stats
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run
from jtdiag_probes.calibration import confidence_gap, consistency, reliability
from jtdiag_probes.calibration.reliability import Floats
from jtdiag_probes.calibration.verdict import judge
from jtdiag_probes.shared.measured_epoch import measured_epoch

BINS = 15
"""As in Guo et al. (2017)."""
READ_BYTES = 512 * 2**20
"""Maximum bytes of logits in memory; outputs are read once for every group of members that fits."""
STREAM = 0xCA11
"""Separates the random numbers of this probe from others with the same seed."""
TESTS = 2
"""Tests of each λ: of the gap, and of the calibration error."""
BIN = "bin"

Outcomes = tuple[Floats, NDArray[np.bool_]]
"""Confidence (n,) and whether the prediction is correct (n,)."""

_LANE = (names.LAM, names.TRIAL)
_SCORES = {
    "loss": (names.NAT, "mean negative log-likelihood"),
    "brier": (names.FRACTION, "Brier score, Σ (q − one-hot)², 0 to 2"),
    "ece": (names.FRACTION, f"expected calibration error, {BINS} bins of equal width"),
    "ece_equal_mass": (names.FRACTION, f"expected calibration error, {BINS} bins of equal size"),
    "ece_by_chance": (
        names.FRACTION,
        "expected value of `ece` for a perfectly calibrated predictor",
    ),
    "gap": (names.FRACTION, "mean confidence minus accuracy; positive if overconfident"),
    "squared_error": (
        names.FRACTION,
        "debiased mean squared calibration error, bins of equal size; can be negative by noise",
    ),
    "loss_scaled": (names.NAT, "loss of logits divided by the temperature"),
    "ece_scaled": (names.FRACTION, "`ece` of logits divided by the temperature"),
}
_CURVES = {
    "bin_count": (names.COUNT, "examples in a bin of equal width"),
    "bin_confidence": (names.FRACTION, "mean confidence in a bin"),
    "bin_accuracy": (names.FRACTION, "accuracy in a bin"),
}


def _variables(predictor: str, of: str, dims: tuple[str, ...]) -> dict[str, Var]:
    def var(unit: str, meaning: str, *more: str) -> Var:
        all_dims = (*_LANE, *more[:1], *dims, *more[1:])
        return Var(dims=all_dims, unit=unit, meaning=f"{meaning}; {of}", from_outputs=True)

    fitted = (
        "temperature with the lowest loss on val; NaN without val, or if the lowest is not between "
        f"{reliability.COOLEST:g} and {reliability.HOTTEST:g}"
    )
    return {
        f"{predictor}_temperature": var(names.FRACTION, fitted),
        **{f"{predictor}_{n}": var(unit, m, names.SPLIT) for n, (unit, m) in _SCORES.items()},
        **{f"{predictor}_{n}": var(unit, m, names.SPLIT, BIN) for n, (unit, m) in _CURVES.items()},
    }


WRITES = {
    "measured_epoch": Var(
        dims=_LANE,
        unit=names.INDEX,
        meaning="measured epoch: the chosen epoch if its outputs are stored, else the last stored; "
        "-1 for none",
    ),
    "gap_low": Var(
        dims=(names.LAM,),
        unit=names.FRACTION,
        meaning="lower end of the exact 95 % interval of the ensemble's gap on test, over "
        "examples, mean over these trials; simultaneous for all λs and both tests",
        from_outputs=True,
    ),
    "gap_high": Var(
        dims=(names.LAM,), unit=names.FRACTION, meaning="its upper end", from_outputs=True
    ),
    "ensemble_ece_p": Var(
        dims=_LANE,
        unit=names.FRACTION,
        meaning="p value of the ensemble's `ece` on test if it were calibrated; not corrected",
        from_outputs=True,
    ),
    **_variables("ensemble", "of the ensemble", ()),
    **_variables("member", "of a single member", (names.MEMBER,)),
}


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure every lane at its chosen epoch, on every split whose outputs are stored."""
    metrics = run.metrics()
    epochs = xr.DataArray(
        np.full((metrics.sizes[names.LAM], metrics.sizes[names.TRIAL]), -1), dims=_LANE
    )
    for lane in run.lanes:
        epochs[lane.lam_index, lane.trial] = measured_epoch(run, lane, run.seal(lane).outputs)
    coords = {
        name: metrics[name] for name in (names.LAM, names.TRIAL, names.SPLIT, names.MEMBER)
    } | {BIN: np.arange(BINS)}
    result = xr.Dataset({"measured_epoch": epochs}, coords=coords)
    if options.metrics_only:
        return result
    for name, var in WRITES.items():
        if var.from_outputs:
            shape = [result.sizes[dim] for dim in var.dims]
            result[name] = (var.dims, np.full(shape, np.nan))
    outcomes: dict[int, list[Outcomes]] = {}
    for lane in run.lanes:
        epoch = int(epochs[lane.lam_index, lane.trial])
        if epoch >= 0:
            with np.errstate(invalid="ignore", over="ignore"):  # diverged members are NaN
                on_test = _measure_lane(run, lane, epoch, result)
            if on_test is not None:
                outcomes.setdefault(lane.lam_index, []).append(on_test)
                p = _p_value(run, lane, *on_test)
                result["ensemble_ece_p"].values[lane.lam_index, lane.trial] = p
    _write_intervals(outcomes, result)
    return result.assign_attrs(tests=TESTS * len(outcomes))


def _write_intervals(outcomes: dict[int, list[Outcomes]], result: xr.Dataset) -> None:
    """Write the interval of the gap of each λ that has outcomes."""
    tail = (1 - stats.LEVEL) / 2 / (TESTS * max(1, len(outcomes)))
    for lam_index, trials in outcomes.items():
        confidence, right = [c for c, _ in trials], [r for _, r in trials]
        low, high = confidence_gap.interval(confidence, right, tail)
        result["gap_low"].values[lam_index] = low
        result["gap_high"].values[lam_index] = high


def _p_value(run: Run, lane: Lane, confidence: Floats, right: NDArray[np.bool_]) -> float:
    """Return how probable so large a calibration error is for a calibrated ensemble."""
    random = np.random.default_rng([run.recipe.seed, lane.lam_index, lane.trial, STREAM])
    bin_of = reliability.equal_width(confidence, BINS)
    error = reliability.calibration_error(reliability.in_bins(confidence, right, bin_of, BINS))
    return consistency.p_value(error, confidence, bin_of, BINS, random)


def _measure_lane(run: Run, lane: Lane, epoch: int, result: xr.Dataset) -> Outcomes | None:
    """Write the scores of one lane; return the outcomes of a finite ensemble on test."""
    splits = list(result[names.SPLIT].values)
    outcomes = None
    for predictor, group in _groups(run):
        temperatures = _temperatures(run, lane, epoch, predictor, group)
        for j, temperature in enumerate(temperatures, group.start):
            index = _index(lane, predictor, j)
            result[f"{predictor}_temperature"].values[index] = temperature
        for split in run.recipe.keep.splits:
            target = run.target(split, lane)
            logits_of_group = _logits(run, lane, epoch, split, predictor, group)
            pairs = zip(logits_of_group, temperatures, strict=True)
            for j, (logits, temperature) in enumerate(pairs, group.start):
                index = _index(lane, predictor, j, splits.index(split))
                for name, value in scores(logits, target, temperature).items():
                    result[f"{predictor}_{name}"].values[index] = value
                tested = predictor == "ensemble" and split == names.TEST
                if tested and np.isfinite(logits).all():
                    outcomes = (reliability.confidence(logits), logits.argmax(-1) == target)
    return outcomes


def _index(lane: Lane, predictor: str, member: int, *split: int) -> tuple[int, ...]:
    own = (member,) if predictor == "member" else ()
    return (lane.lam_index, lane.trial, *split, *own)


def _temperatures(run: Run, lane: Lane, epoch: int, predictor: str, group: slice) -> list[float]:
    """Return the temperature of each predictor of a group; NaN without outputs on val."""
    if names.VAL not in run.recipe.keep.splits:
        return [np.nan] * (group.stop - group.start)
    target = run.target(names.VAL, lane)
    return [
        reliability.temperature(logits, target)
        for logits in _logits(run, lane, epoch, names.VAL, predictor, group)
    ]


def _groups(run: Run) -> Iterator[tuple[str, slice]]:
    """Yield the ensemble, then slices of members whose logits fit into `READ_BYTES`."""
    yield "ensemble", slice(0, 1)
    arrays = [
        run.array(f"{names.OUTPUTS}/{split}/{names.LOGITS}") for split in run.recipe.keep.splits
    ]
    largest = max(array.shape[4] * array.dtype.itemsize for array in arrays)
    count = run.recipe.members.count
    step = max(1, READ_BYTES // (largest * run.outputs_per_member))
    for start in range(0, count, step):
        yield "member", slice(start, min(start + step, count))


def _logits(
    run: Run, lane: Lane, epoch: int, split: str, predictor: str, group: slice
) -> Iterator[NDArray[np.float64]]:
    """Yield the logits (n, K) of the ensemble or of each member of a group."""
    array = run.array(f"{names.OUTPUTS}/{split}/{names.LOGITS}")
    single = predictor != "ensemble"
    # A single large array, since many small ones would fragment the memory.
    shape = (group.stop - group.start, *array.shape[4:])
    logits = np.empty(shape, array.dtype if single else np.float64)
    for block in run.outputs(lane, epoch, split):
        examples = slice(block.start, block.start + len(block.target))
        logits[:, examples] = (
            block.logits[group] if single else block.logits.mean(0, dtype=np.float64)
        )
    for rows in logits:
        yield rows.astype(np.float64)


def scores(
    logits: NDArray[np.float64], target: NDArray[np.int64], temperature: float
) -> dict[str, NDArray[np.floating[Any]] | float]:
    """Return the scores of one predictor: numbers, and rows of bins.

    Args:
        logits: (n, K), in nats.
        target: (n,)
        temperature: Divides the logits for the scaled scores; NaN for none.
    """
    if not np.isfinite(logits).all():
        return {}
    confidence, right = reliability.confidence(logits), logits.argmax(-1) == target
    by_width = reliability.equal_width(confidence, BINS)
    by_mass = reliability.equal_mass(confidence, BINS)
    wide = reliability.in_bins(confidence, right, by_width, BINS)
    even = reliability.in_bins(confidence, right, by_mass, BINS)
    values: dict[str, NDArray[np.floating[Any]] | float] = {
        "loss": reliability.loss(logits, target),
        "brier": reliability.brier_score(logits, target),
        "ece": reliability.calibration_error(wide),
        "ece_equal_mass": reliability.calibration_error(even),
        "ece_by_chance": reliability.error_by_chance(wide),
        "gap": confidence_gap.gap(confidence, right),
        "squared_error": reliability.squared_error(even),
        "bin_count": wide.count,
        "bin_confidence": wide.confidence,
        "bin_accuracy": wide.accuracy,
    }
    if np.isfinite(temperature):
        scaled = logits / temperature
        confidence = reliability.confidence(scaled)
        by_width = reliability.equal_width(confidence, BINS)
        wide = reliability.in_bins(confidence, right, by_width, BINS)
        values["loss_scaled"] = reliability.loss(scaled, target)
        values["ece_scaled"] = reliability.calibration_error(wide)
    return values


probe = Probe(
    name="calibration",
    question="Are the ensemble and its members well calibrated?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
    needs_skill=True,
    classes_only=True,
)
