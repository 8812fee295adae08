"""Calibration: whether confidence can be believed, of the ensemble and of members alone."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run
from jtdiag_probes.calibration import reliability
from jtdiag_probes.calibration.verdict import judge
from jtdiag_probes.shared.measured_epoch import measured_epoch

BINS = 15
"""As in Guo et al. 2017."""
READ_BYTES = 512 * 2**20
"""Logits of as many members are held at once; the outputs are read again for the others."""
BIN = "bin"

_LANE = (names.LAM, names.TRIAL)
_SCORES = {
    "loss": (names.NAT, "mean negative log-likelihood"),
    "brier": (names.FRACTION, "Brier score, Σ (q − one-hot)², 0 to 2"),
    "ece": (names.FRACTION, f"expected calibration error, {BINS} bins of equal width"),
    "ece_equal_mass": (names.FRACTION, f"expected calibration error, {BINS} bins of equal size"),
    "ece_by_chance": (names.FRACTION, "what `ece` would be if every confidence were true"),
    "squared_error": (
        names.FRACTION,
        "debiased mean squared calibration error, bins of equal size; noise may make it negative",
    ),
    "loss_scaled": (names.NAT, "loss of logits divided by the temperature"),
    "ece_scaled": (names.FRACTION, "`ece` of logits divided by the temperature"),
}
_CURVES = {
    "bin_count": (names.COUNT, "examples in a bin of equal width"),
    "bin_confidence": (names.FRACTION, "mean confidence in a bin"),
    "bin_accuracy": (names.FRACTION, "fraction right in a bin"),
}


def _variables(who: str, of: str, dims: tuple[str, ...]) -> dict[str, Var]:
    def var(unit: str, meaning: str, *more: str) -> Var:
        where = (*_LANE, *more[:1], *dims, *more[1:])
        return Var(dims=where, unit=unit, meaning=f"{meaning}; {of}", from_outputs=True)

    at_t = "temperature with the lowest loss on val; NaN without val"
    return {
        f"{who}_temperature": var(names.FRACTION, at_t),
        **{f"{who}_{n}": var(unit, m, names.SPLIT) for n, (unit, m) in _SCORES.items()},
        **{f"{who}_{n}": var(unit, m, names.SPLIT, BIN) for n, (unit, m) in _CURVES.items()},
    }


WRITES = {
    "measured_epoch": Var(
        dims=_LANE,
        unit=names.INDEX,
        meaning="epoch measured: the chosen one, or else the last with outputs; -1 for none",
    ),
    **_variables("ensemble", "of the ensemble", ()),
    **_variables("member", "of a member alone", (names.MEMBER,)),
}


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure every lane at its chosen epoch, on every split whose outputs are kept."""
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
    for lane in run.lanes:
        epoch = int(epochs[lane.lam_index, lane.trial])
        if epoch >= 0:
            with np.errstate(invalid="ignore", over="ignore"):  # diverged members are NaN
                _measure_lane(run, lane, epoch, result)
    return result


def _measure_lane(run: Run, lane: Lane, epoch: int, result: xr.Dataset) -> None:
    at = (lane.lam_index, lane.trial)
    splits = list(result[names.SPLIT].values)
    for who, which in _groups(run):
        fitted = [np.nan] * (which.stop - which.start)
        if names.VAL in run.recipe.keep.splits:
            target = run.target(names.VAL, lane)
            said = _logits(run, lane, epoch, names.VAL, who, which)
            fitted = [reliability.temperature(one, target) for one in said]
        for j, heat in enumerate(fitted, which.start):
            index = at if who == "ensemble" else (*at, j)
            result[f"{who}_temperature"].values[index] = heat
        for split in run.recipe.keep.splits:
            target = run.target(split, lane)
            said = _logits(run, lane, epoch, split, who, which)
            for j, (one, heat) in enumerate(zip(said, fitted, strict=True), which.start):
                index = (*at, splits.index(split), *(() if who == "ensemble" else (j,)))
                for name, value in scores(one, target, heat).items():
                    result[f"{who}_{name}"].values[index] = value


def _groups(run: Run) -> Iterator[tuple[str, slice]]:
    """Yield the ensemble, then members in groups whose logits fit into `READ_BYTES`."""
    yield "ensemble", slice(0, 1)
    arrays = [
        run.array(f"{names.OUTPUTS}/{split}/{names.LOGITS}") for split in run.recipe.keep.splits
    ]
    one = max(array.shape[4] * array.dtype.itemsize for array in arrays) * run.outputs_per_member
    count = run.recipe.members.count
    step = max(1, READ_BYTES // one)
    for start in range(0, count, step):
        yield "member", slice(start, min(start + step, count))


def _logits(
    run: Run, lane: Lane, epoch: int, split: str, who: str, which: slice
) -> Iterator[NDArray[np.float64]]:
    """Yield the logits (n, K) of the ensemble or of each member of a group."""
    array = run.array(f"{names.OUTPUTS}/{split}/{names.LOGITS}")
    alone = who != "ensemble"
    # One array, which goes back to the system as a whole; small ones would leave holes.
    shape = (which.stop - which.start, *array.shape[4:])
    found = np.empty(shape, array.dtype if alone else np.float64)
    for block in run.outputs(lane, epoch, split):
        at = slice(block.start, block.start + len(block.target))
        found[:, at] = block.logits[which] if alone else block.logits.mean(0, dtype=np.float64)
    for one in found:
        yield one.astype(np.float64)


def scores(
    logits: NDArray[np.float64], target: NDArray[np.int64], heat: float
) -> dict[str, NDArray[np.floating[Any]] | float]:
    """Return every score of one predictor, as numbers and rows of bins.

    Args:
        logits: (n, K), in nats.
        target: (n,)
        heat: Temperature by which logits are divided for the scaled scores; NaN for none.
    """
    if not np.isfinite(logits).all():
        return {}
    sure, right = reliability.confidence(logits), logits.argmax(-1) == target
    wide = reliability.in_bins(sure, right, reliability.equal_width(sure, BINS), BINS)
    even = reliability.in_bins(sure, right, reliability.equal_mass(sure, BINS), BINS)
    found: dict[str, NDArray[np.floating[Any]] | float] = {
        "loss": reliability.loss(logits, target),
        "brier": reliability.brier_score(logits, target),
        "ece": reliability.calibration_error(wide),
        "ece_equal_mass": reliability.calibration_error(even),
        "ece_by_chance": reliability.error_by_chance(wide),
        "squared_error": reliability.squared_error(even),
        "bin_count": wide.count,
        "bin_confidence": wide.confidence,
        "bin_accuracy": wide.accuracy,
    }
    if np.isfinite(heat):
        scaled = logits / heat
        sure = reliability.confidence(scaled)
        wide = reliability.in_bins(sure, right, reliability.equal_width(sure, BINS), BINS)
        found["loss_scaled"] = reliability.loss(scaled, target)
        found["ece_scaled"] = reliability.calibration_error(wide)
    return found


probe = Probe(
    name="calibration",
    question="Can the confidence of the ensemble and of its members be believed?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
    classes_only=True,
)
