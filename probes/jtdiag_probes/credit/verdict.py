"""What the result of the probe `credit` shows, tested over trials."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from jtdiag import names, stats
from jtdiag.probing.findings import Finding
from jtdiag.stats import LEAST_TRIALS, Interval
from jtdiag_probes.credit import wording

SAME = 1e-6
"""Difference from 1 of cosines and ratios of gradients that are the same up to rounding."""


def judge(result: xr.Dataset) -> list[Finding]:
    """Return how far the gradients agree at each λ, and what is left of the end-to-end ones."""
    if "cosine" not in result:
        return []
    findings = []
    for lam in sorted(float(value) for value in result[names.LAM].values):
        at_lam = result.sel({names.LAM: lam}).mean(names.MEMBER)
        if at_lam["cosine"].notnull().any():
            findings += _of_lam(at_lam.assign_attrs(result.attrs), lam)
    return findings


def _of_lam(result: xr.Dataset, lam: float) -> list[Finding]:
    """Return the findings of means over members (trial, epoch, module) at one λ."""
    every = {str(name): result.sel({names.MODULE: name}) for name in result[names.MODULE].values}
    given = {name: own for name, own in every.items() if own["cosine"].notnull().any()}
    if len(given) == len(every) and all(_same(own) for own in given.values()):
        return [_finding("identical", lam, 1.0, wording.identical(lam)), *_left(every, lam)]
    findings = [_by_module(given, lam, int(result.attrs["training_examples"]))]
    missing = [name for name in every if name not in given]
    if missing and not result.attrs["one_by_one"]:
        findings.append(_finding("nothing", lam, len(missing), wording.given_nothing(lam, missing)))
    findings += _neighbours(every, lam)
    differing = {name: own["cosine"] for name, own in given.items() if not _same(own)}
    return [*findings, *_direction(differing, lam), *_changes(differing, lam), *_left(every, lam)]


def _same(own: xr.Dataset) -> bool:
    """Return whether both gradients of a module are the same wherever both exist."""
    values = own[["cosine", "norm_ratio"]].to_array().values
    return bool(np.nanmax(np.abs(values - 1)) <= SAME)


def _last(values: xr.DataArray) -> int:
    """Return the last epoch at which most trials have a value."""
    trials = values.notnull().sum(names.TRIAL).values
    return int(values[names.EPOCH].values[np.flatnonzero(trials == trials.max())[-1]])


def _by_module(given: Mapping[str, xr.Dataset], lam: float, examples: int) -> Finding:
    epochs = {name: _last(own["cosine"]) for name, own in given.items()}
    cosines, ratios = {}, {}
    for name, own in given.items():
        at_epoch = own.sel({names.EPOCH: epochs[name]})
        cosines[name] = stats.mean_interval(at_epoch["cosine"].values).within(-1, 1)
        ratios[name] = stats.mean_interval(at_epoch["norm_ratio"].values).within(0, np.inf)
        if _same(own):
            cosines[name] = ratios[name] = Interval(1.0, np.nan, np.nan)
    lowest = min(interval.mean for interval in cosines.values())
    sentence = wording.by_module(lam, epochs, cosines, ratios, examples)
    return _finding("by-module", lam, lowest, sentence, max(epochs.values()))


def _neighbours(every: Mapping[str, xr.Dataset], lam: float) -> list[Finding]:
    """State how far the gradients of a module's loss and of the next one's agree."""
    values = {
        name: own["neighbour_cosine"]
        for name, own in every.items()
        if "neighbour_cosine" in own and own["neighbour_cosine"].notnull().any()
    }
    if not values:
        return []
    epochs = {name: _last(own) for name, own in values.items()}
    cosines = {
        name: stats.mean_interval(own.sel({names.EPOCH: epochs[name]}).values).within(-1, 1)
        for name, own in values.items()
    }
    lowest = min(interval.mean for interval in cosines.values())
    epoch = max(epochs.values())
    return [_finding("neighbours", lam, lowest, wording.neighbours(lam, epoch, cosines), epoch)]


def _direction(cosines: Mapping[str, xr.DataArray], lam: float) -> list[Finding]:
    """Test whether the last cosines are above or below 0, at all modules together."""
    values = {name: _finite(own.sel({names.EPOCH: _last(own)})) for name, own in cosines.items()}
    if not values:
        return []
    trials = min(len(each) for each in values.values())
    if trials < LEAST_TRIALS:
        return [_finding("untested", lam, trials, wording.untested(lam, trials, LEAST_TRIALS))]
    tested = {name: stats.paired(each, len(values)) for name, each in values.items()}
    agreeing = [name for name, interval in tested.items() if interval.low > 0]
    opposing = [name for name, interval in tested.items() if interval.high < 0]
    undecided = [name for name in tested if name not in agreeing + opposing]
    sentence = wording.direction(lam, agreeing, opposing, undecided, trials)
    return [_finding("direction", lam, len(agreeing), sentence)]


def _changes(cosines: Mapping[str, xr.DataArray], lam: float) -> list[Finding]:
    """Test how the cosines change from the first to the last epoch, at all modules together."""
    epochs, differences = {}, {}
    for name, own in cosines.items():
        measured = own[names.EPOCH].values[own.notnull().any(names.TRIAL).values]
        first, last = int(measured[0]), _last(own)
        change = _finite(own.sel({names.EPOCH: last}) - own.sel({names.EPOCH: first}))
        if first < last and len(change) >= LEAST_TRIALS:
            epochs[name], differences[name] = (first, last), change
    if not differences:
        return []
    comparisons = len(differences)
    tested = {
        name: (stats.paired(each, comparisons), stats.smallest_detectable(each, comparisons))
        for name, each in differences.items()
    }
    trials = min(map(len, differences.values()))
    largest = max((change.mean for change, _ in tested.values()), key=abs)
    sentence = wording.changes(lam, epochs, tested, trials)
    return [_finding("changes", lam, largest, sentence)]


def _left(every: Mapping[str, xr.Dataset], lam: float) -> list[Finding]:
    """State what is left of the end-to-end gradient at the last epoch, if epoch 0 is kept."""
    values = {name: own["gradient_left"] for name, own in every.items()}
    values = {name: own for name, own in values.items() if np.isfinite(own.values).any()}
    if not values:
        return []
    epoch = max(_last(own) for own in values.values())
    shares = {
        name: stats.mean_interval(own.sel({names.EPOCH: epoch}).values).scaled(100).within(0, 1e9)
        for name, own in values.items()
    }
    shares = {name: share for name, share in shares.items() if np.isfinite(share.mean)}
    if epoch == 0 or not shares:
        return []
    smallest = min(share.mean for share in shares.values())
    return [_finding("left", lam, smallest, wording.left(lam, epoch, shares), epoch)]


def _finite(values: xr.DataArray) -> np.ndarray:
    return values.values[np.isfinite(values.values)]


def _finding(
    rule: str, lam: float, number: float, sentence: str, epoch: int | None = None
) -> Finding:
    return Finding(
        probe="credit",
        rule=rule,
        level="info",
        lam=lam,
        epoch=epoch,
        number=number,
        sentence=sentence,
    )
