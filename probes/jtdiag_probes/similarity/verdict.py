"""What the result of the probe `similarity` shows, tested over trials."""

import itertools
from collections.abc import Mapping

import numpy as np
import xarray as xr

from jtdiag import names, stats
from jtdiag.probing.findings import Finding
from jtdiag.stats import Interval
from jtdiag.stats.comparisons import LEAST_TRIALS
from jtdiag_probes.similarity import wording
from jtdiag_probes.similarity.wording import SAME, Context

LAYER = "layer"
"""Dimension of the layers of a member; the first is the inputs, the last the head."""
OTHER_LAYER = "other_layer"
OTHER_EPOCH = "other_epoch"


def judge(result: xr.Dataset) -> list[Finding]:
    """Return similarities for every λ, those of members compared with the lowest λ."""
    if "layer_similarity" not in result or not result.sizes[names.EPOCH]:
        return []
    result = result.sortby(names.LAM)
    findings = []
    for lam in map(float, result[names.LAM].values):
        at_lam = result.sel({names.LAM: lam})
        known = at_lam["layer_similarity"].notnull() | (at_lam["constant_members"] > 0)
        epochs = known.any([dim for dim in known.dims if dim != names.EPOCH]).values
        if epochs.any():
            epoch = int(result[names.EPOCH].values[epochs][-1])
            context = Context(lam=lam, epoch=epoch, examples=int(result.attrs.get("examples", 0)))
            findings += _of_members(at_lam, context)
            findings += _against_lowest(result, context)
            findings += _of_layers(at_lam, context)
            findings += _of_epochs(at_lam, context)
            findings += _constant(at_lam, context)
    return findings


def _of_members(at_lam: xr.Dataset, context: Context) -> list[Finding]:
    """Return the similarity of members by layer, with that of other trials."""
    values = at_lam["member_similarity"].sel({names.EPOCH: context.epoch})
    by_layer = intervals(values.isel({LAYER: slice(1, None)}))
    if not by_layer:
        return []
    reference = at_lam["reference_similarity"].mean(names.TRIAL)
    others = {layer: float(reference.sel({LAYER: layer})) for layer in by_layer}
    if not all(np.isfinite(list(others.values()))):
        others = {}
    sentence = wording.members(context, by_layer, others)
    return [_finding("members", context, list(by_layer.values())[-1].mean, sentence)]


def _against_lowest(result: xr.Dataset, context: Context) -> list[Finding]:
    """Return at which layers members are more or less similar than at the lowest λ."""
    values = result["member_similarity"].sel({names.EPOCH: context.epoch})
    lowest = float(result[names.LAM].values[0])
    if context.lam == lowest:
        return []
    differences = values.sel({names.LAM: context.lam}) - values.sel({names.LAM: lowest})
    differences = differences.isel({LAYER: slice(1, None)}).dropna(LAYER, how="all")
    comparisons = differences.sizes[LAYER] * (result.sizes[names.LAM] - 1)
    by_layer: dict[str, tuple[Interval, float]] = {}
    trials = 0
    for layer in map(str, differences[LAYER].values):
        of_trials = _finite(differences.sel({LAYER: layer}))
        if of_trials.size >= LEAST_TRIALS:
            trials = max(trials, of_trials.size)
            by_layer[layer] = (
                stats.paired(of_trials, comparisons),
                stats.smallest_detectable(of_trials, comparisons),
            )
    if not by_layer:
        return []
    largest = max((interval.mean for interval, _ in by_layer.values()), key=abs)
    sentence = wording.against(context, lowest, by_layer, trials)
    return [_finding("members-against-lowest", context, largest, sentence)]


def _of_layers(at_lam: xr.Dataset, context: Context) -> list[Finding]:
    """Return the similarity of consecutive layers, and which are nearly the same."""
    values = at_lam["layer_similarity"].sel({names.EPOCH: context.epoch})
    layers = [str(name) for name in values[LAYER].values]
    pairs = {}
    for pair in itertools.pairwise(layers):
        by_trial = _finite(values.sel({LAYER: pair[0], OTHER_LAYER: pair[1]}))
        if by_trial.size:
            pairs[pair] = by_trial
    if not pairs:
        return []
    by_pair = {pair: _within(stats.mean_interval(each)) for pair, each in pairs.items()}
    trials = max(each.size for each in pairs.values())
    same = None
    if trials >= LEAST_TRIALS:
        least = {pair: stats.paired(each, len(pairs)).low for pair, each in pairs.items()}
        same = [pair for pair, low in least.items() if low > SAME]
    sentence = wording.layers(context, by_pair, same, trials)
    lowest = min(interval.mean for interval in by_pair.values())
    return [_finding("layers", context, lowest, sentence)]


def _of_epochs(at_lam: xr.Dataset, context: Context) -> list[Finding]:
    """Return how similar each layer is to itself at the first epoch that is kept."""
    first = int(at_lam[names.EPOCH].values[0])
    if first == context.epoch:
        return []
    pair = {names.EPOCH: context.epoch, OTHER_EPOCH: first}
    by_layer = intervals(at_lam["epoch_similarity"].sel(pair).isel({LAYER: slice(1, None)}))
    if not by_layer:
        return []
    lowest = min(interval.mean for interval in by_layer.values())
    return [_finding("epochs", context, lowest, wording.epochs(context, first, by_layer))]


def _constant(at_lam: xr.Dataset, context: Context) -> list[Finding]:
    """Return the layers of which some members have no similarity."""
    counts = at_lam["constant_members"].sel({names.EPOCH: context.epoch})
    trials = int(counts.notnull().any(LAYER).sum())
    total = trials * int(at_lam.attrs.get("members", 0))
    by_layer = {
        str(layer): int(count)
        for layer, count in zip(counts[LAYER].values, counts.sum(names.TRIAL).values, strict=True)
        if count > 0
    }
    if not by_layer or not total:
        return []
    sentence = wording.constant(context, by_layer, total)
    return [_finding("constant-features", context, max(by_layer.values()) / total, sentence)]


def intervals(values: xr.DataArray) -> Mapping[str, Interval]:
    """Return the mean over trials by layer, of values (trial, layer), where there are any."""
    layers = [str(name) for name in values[LAYER].values]
    by_trial = {layer: _finite(values.sel({LAYER: layer})) for layer in layers}
    return {
        layer: _within(stats.mean_interval(each)) for layer, each in by_trial.items() if each.size
    }


def _within(interval: Interval) -> Interval:
    return interval.within(-1, 1)


def _finite(values: xr.DataArray) -> np.ndarray:
    return values.values[np.isfinite(values.values)]


def _finding(rule: str, context: Context, number: float, sentence: str) -> Finding:
    return Finding(
        probe="similarity",
        rule=rule,
        level="info",
        lam=context.lam,
        epoch=context.epoch,
        number=number,
        sentence=sentence,
    )
