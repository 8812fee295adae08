"""Curvature with respect to the outputs, from a run's stored outputs, epoch by epoch."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.probing.contract import Var
from jtdiag.store.lanes import Lane
from jtdiag.store.run import OutputBlock, Run
from jtdiag_probes.conditioning import cost, output_curvature
from jtdiag_probes.conditioning.output_curvature import Spectrum
from jtdiag_probes.conditioning.weight_conditioning import evenly
from jtdiag_probes.shared.class_logits import ClassLogits
from jtdiag_probes.shared.outputs import LANE_EPOCH_SPLIT, pieces

WORK = 6_000_000
"""Maximum of M·d³ summed over the examples whose spectra are computed for one epoch of a lane,
about a second. Traces are computed on all examples."""
MOST_EXAMPLES, FEWEST_EXAMPLES = 1000, 8
GRID_LAM = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9999)
"""λ at which the loss of one lane's outputs is evaluated, whatever its own λ."""
GRID = "grid"

_RATIO = "1"
_LANE_EPOCH = (names.LAM, names.TRIAL, names.EPOCH)
_OF_SPECTRA = {
    "kappa": "κ⁺ of an example's Hessian with respect to the outputs, median over examples",
    "kappa_q25": "κ⁺, lower quartile over examples",
    "kappa_q75": "κ⁺, upper quartile over examples",
    "kappa_growth": (
        "κ⁺(λ)/κ⁺(0) for the same outputs, median over the examples with finite κ⁺(λ)"
    ),
    "kappa_limit": "limit of (1−λ)κ⁺ as λ → 1 for the same outputs, median over examples",
    "kappa_singular": "share of examples whose κ⁺ exceeds float64 precision (counted as infinite)",
}

WRITES = {
    "group_size": Var(
        dims=(names.LAM,),
        unit=names.COUNT,
        meaning="m(λ) = M/(1+(1−λ)(M−1)): number of members that λ trains jointly",
    ),
    "null_directions": Var(
        dims=(names.LAM,),
        unit=names.COUNT,
        meaning="directions of an example's M·K outputs without curvature, excluded from κ⁺",
    ),
    "anisotropy": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=_RATIO,
        meaning="A(λ): mean curvature along consensus divided by that along disagreement",
        from_outputs=True,
    ),
    **{
        name: Var(dims=_LANE_EPOCH, unit=_RATIO, meaning=meaning, from_outputs=True)
        for name, meaning in _OF_SPECTRA.items()
    },
    "kappa_examples": Var(
        dims=(),
        unit=names.COUNT,
        meaning="examples whose spectra were computed, evenly spaced in the test split",
        from_outputs=True,
    ),
    "grid_lam": Var(dims=(GRID,), unit=_RATIO, meaning="λ of the grid"),
    "grid_anisotropy": Var(
        dims=(GRID,), unit=_RATIO, meaning="A(λ) of the reference lane's outputs", from_outputs=True
    ),
    "grid_kappa": Var(
        dims=(GRID,),
        unit=_RATIO,
        meaning="median κ⁺(λ) of the reference lane's outputs: lowest λ, first trial, last epoch",
        from_outputs=True,
    ),
}


def from_recipe(run: Run) -> dict[str, Any]:
    """Return the variables that depend only on λ and the sizes of the run."""
    members, classes = run.recipe.members.count, run.outputs_per_member
    rank = {lam: classes - 1 if lam == 1 else members * (classes - 1) for lam in run.recipe.lam}
    size = [output_curvature.group_size(lam, members) for lam in run.recipe.lam]
    return {
        "group_size": (names.LAM, np.array(size)),
        "null_directions": (names.LAM, [members * classes - rank[lam] for lam in run.recipe.lam]),
        "grid_lam": (GRID, np.array(GRID_LAM)),
    }


def most_examples(members: int, size: int) -> int:
    """Return the number of examples whose spectra are computed, for M members and d = K−1.

    0 if a single one takes too long, see `cost.LARGEST`.
    """
    if cost.work(members, size + 1) > cost.LARGEST:
        return 0
    return int(np.clip(WORK // (members * size**3), FEWEST_EXAMPLES, MOST_EXAMPLES))


class _Outputs:
    """Traces over all examples of a split, and the logits of a few of them."""

    def __init__(self, blocks: Iterator[OutputBlock], wanted: int) -> None:
        self.ensemble_trace = self.member_trace = 0.0
        samples = []
        for block in blocks:
            for piece in pieces([block]):
                logits = ClassLogits(piece.logits, piece.target)
                self.ensemble_trace += float(output_curvature.gini(logits.mean.T).sum())
                self.member_trace += float(logits.gini().mean(0).sum())
            samples.append(_evenly(block.logits, wanted))
        self.logits = _evenly(np.concatenate(samples, axis=1), wanted)

    def spectrum(self) -> Spectrum:
        return Spectrum(output_curvature.categorical(self.logits))

    def anisotropy(self, lam: float | Sequence[float]) -> NDArray[np.floating[Any]]:
        return output_curvature.anisotropy(np.asarray(lam), self.ensemble_trace, self.member_trace)


def _evenly(logits: NDArray[Any], count: int) -> NDArray[Any]:
    """Return `count` evenly spaced examples of logits (M, n, K), or all if there are fewer."""
    return np.ascontiguousarray(logits[:, evenly(logits.shape[1], count)])


def from_outputs(run: Run, metrics: xr.Dataset) -> xr.Dataset:
    """Return the traces by split, the spectra of one split, and the grid curves of one lane."""
    wanted = examples_of(run)
    measured = _by_epoch(run, metrics, wanted)
    return xr.Dataset(measured, coords=metrics.coords).assign(_curves(run, wanted))


def examples_of(run: Run) -> int:
    """Return the most examples of a run whose spectra are computed; 0 if they take too long."""
    return most_examples(run.recipe.members.count, run.outputs_per_member - 1)


def spectrum_split(run: Run) -> str:
    """Return the split whose spectra are computed: test if it is stored."""
    stored = run.recipe.keep.splits
    return names.TEST if names.TEST in stored else stored[-1]


def _by_epoch(run: Run, metrics: xr.Dataset, wanted: int) -> dict[str, Any]:
    """Return traces and summaries of the spectra at every epoch with stored outputs."""
    dims = {"anisotropy": LANE_EPOCH_SPLIT, **dict.fromkeys(_OF_SPECTRA, _LANE_EPOCH)}
    variables = {
        name: (dims[name], np.full([metrics.sizes[dim] for dim in dims[name]], np.nan))
        for name in dims
    }
    splits, examples = [str(split) for split in metrics[names.SPLIT].values], 0
    for lane, epoch, split in _kept(run, metrics):
        index = (lane.lam_index, lane.trial, epoch)
        sampled = wanted if split == spectrum_split(run) else 0
        with np.errstate(invalid="ignore", over="ignore"):  # diverged members are NaN
            outputs = _Outputs(run.outputs(lane, epoch, split), sampled)
            traces = outputs.anisotropy(run.lam(lane))
            numbers = _of_spectra(outputs.spectrum(), run.lam(lane)) if sampled else {}
        variables["anisotropy"][1][(*index, splits.index(split))] = traces
        examples = outputs.logits.shape[1] if sampled else examples
        for name, value in numbers.items():
            variables[name][1][index] = value
    return {**variables, "kappa_examples": ((), examples)}


def _kept(run: Run, metrics: xr.Dataset) -> Iterator[tuple[Lane, int, str]]:
    """Yield lanes, epochs and splits whose outputs are kept, none sealed after the metrics."""
    for lane in run.lanes:
        for epoch in run.seal(lane).outputs:
            if epoch < metrics.sizes[names.EPOCH]:
                for split in run.recipe.keep.splits:
                    yield lane, epoch, split


def _of_spectra(spectrum: Spectrum, lam: float) -> dict[str, float]:
    extremes = spectrum.extremes(lam)
    kappa, at_zero = extremes.kappa, spectrum.extremes(0).kappa
    growth = np.where(np.isfinite(kappa), kappa, np.nan) / at_zero
    low, median, high = extremes.quantiles([0.25, 0.5, 0.75])
    return {
        "kappa": float(median),
        "kappa_q25": float(low),
        "kappa_q75": float(high),
        "kappa_growth": _finite_median(growth),
        "kappa_limit": _finite_median(spectrum.limit()),
        "kappa_singular": float(np.mean(np.isinf(kappa))),
    }


def _finite_median(values: NDArray[np.floating[Any]]) -> float:
    values = values[~np.isnan(values)]
    if not values.size:
        return np.nan
    return float(np.quantile(values, 0.5, method="closest_observation"))


def _curves(run: Run, wanted: int) -> dict[str, Any]:
    """Return A(λ) and κ⁺(λ) on a grid of λ, for the last stored outputs of one lane."""
    curves = np.full((2, len(GRID_LAM)), np.nan)
    lanes = [lane for lane in run.lanes if lane.trial == 0 and run.seal(lane).outputs]
    if lanes:
        lane = min(lanes, key=run.lam)
        blocks = run.outputs(lane, run.seal(lane).outputs[-1], spectrum_split(run))
        with np.errstate(invalid="ignore", over="ignore"):
            outputs = _Outputs(blocks, wanted)
            curves[0] = outputs.anisotropy(GRID_LAM)
            spectrum = outputs.spectrum() if wanted else None
        if spectrum is not None:
            curves[1] = [_of_spectra(spectrum, lam)["kappa"] for lam in GRID_LAM]
    return {"grid_anisotropy": (GRID, curves[0]), "grid_kappa": (GRID, curves[1])}
