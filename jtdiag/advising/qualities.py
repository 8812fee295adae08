"""What else candidates are good for: probes on the validation outputs that their runs keep."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs
import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.advising import wording
from jtdiag.advising.additive import Floats
from jtdiag.advising.candidates import path_of
from jtdiag.advising.evidence import SELECTING
from jtdiag.advising.standing import Standing
from jtdiag.probing.registry import PROBES
from jtdiag.probing.running import probe
from jtdiag.stats import LEAST_TRIALS, Interval, paired
from jtdiag.store.run import Run


@attrs.frozen(kw_only=True)
class Better:
    """A candidate that is significantly better than the recommended one in some respect."""

    quality: str
    name: str
    """Name of the candidate."""
    difference: Interval
    """Its value minus that of the recommended one, below 0: in nats, or as a fraction."""


def _calibration(result: xr.Dataset) -> xr.DataArray:
    return result["ensemble_ece"]


def _with_dropped(fraction: float) -> Callable[[xr.Dataset], xr.DataArray]:
    """Return the loss if a fraction of the members is dropped at random."""

    def loss(result: xr.Dataset) -> xr.DataArray:
        rise = result["drop_rise"].sel({names.DROPPED: fraction}, method="nearest", drop=True)
        return result["ensemble_loss"] + rise.where(result.attrs["members"] > 1)

    return loss


QUALITIES: Final[Mapping[str, tuple[str, Callable[[xr.Dataset], xr.DataArray]]]] = {
    wording.CALIBRATION: ("calibration", _calibration),
    wording.LOST: ("collusion", _with_dropped(0.2)),
    wording.PARTIAL: ("collusion", _with_dropped(0.6)),
}
"""Probe and number, of which less is better, by what is measured."""


def measured(folder: Path, standings: Sequence[Standing]) -> tuple[list[str], list[Better]]:
    """Return in which respects candidates were compared, and which are better in one.

    Compared are the recommended candidate and those that are not significantly worse, as far as
    they have `LEAST_TRIALS` trials beside the first. Intervals hold together for all comparisons.

    Args:
        folder: Folder of the runs.
        standings: All candidates.
    """
    compared = [
        standing
        for standing in standings
        if standing.state in ("recommended", "undecided")
        and len(standing.errors) >= SELECTING + LEAST_TRIALS
    ]
    runs = {s.candidate.name: Run(path_of(folder, s.candidate)) for s in compared}
    recommended = [s.candidate.name for s in compared if s.state == "recommended"]
    others = [name for name in runs if name not in recommended]
    kept = all(run.recipe.keep.outputs != "none" for run in runs.values())
    if not (recommended and others and kept):
        return [], []
    qualities = [
        quality
        for quality, (name, _) in QUALITIES.items()
        if all(PROBES.find(name).applies(run) for run in runs.values())
    ]
    better = []
    for quality in qualities:
        reference = _values(runs[recommended[0]], quality)
        for name in others:
            difference = _compared(
                _values(runs[name], quality), reference, len(others) * len(qualities)
            )
            if difference.high < 0:
                better.append(Better(quality=quality, name=name, difference=difference))
    return qualities, better


def _values(run: Run, quality: str) -> Floats:
    """Return the values of a quality on validation, by trial, of the complete trials."""
    name, value = QUALITIES[quality]
    values = value(probe(run, name)).isel({names.LAM: 0}).sel({names.SPLIT: names.VAL})
    done = [run.seal(lane).done for lane in run.lanes]
    return values.where(xr.DataArray(done, dims=names.TRIAL)).values


def _compared(values: Floats, reference: Floats, comparisons: int) -> Interval:
    """Return the mean difference over the trials beside the first that both have."""
    pairs = min(len(values), len(reference))
    differences = (values[:pairs] - reference[:pairs])[SELECTING:]
    differences = differences[np.isfinite(differences)]
    if len(differences) < LEAST_TRIALS:
        return Interval(np.nan, np.nan, np.nan)
    return paired(differences, comparisons)
