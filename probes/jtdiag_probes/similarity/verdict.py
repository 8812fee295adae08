"""What the result of the probe `similarity` shows, tested over trials."""

import itertools
from collections.abc import Mapping

import numpy as np
import xarray as xr

from jtdiag import names, stats
from jtdiag.probing import last_epoch
from jtdiag.probing.findings import Finding
from jtdiag.probing.last_epoch import LAST_EPOCH, at_last_epoch
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
        if epochs := last_epoch.distinct(at_lam[LAST_EPOCH]):
            last = at_last_epoch(at_lam, at_lam[LAST_EPOCH])
            examples = int(result.attrs.get("examples", 0))
            context = Context(lam=lam, epochs=epochs, examples=examples)
            findings += _of_members(last, context)
            findings += _against_lowest(at_last_epoch(result, result[LAST_EPOCH]), context)
            findings += _of_layers(last, context)
            findings += _of_epochs(last, context, first=int(at_lam[names.EPOCH].values[0]))
            findings += _constant(last, context)
    return findings


def _of_members(last: xr.Dataset, context: Context) -> list[Finding]:
    """Return the similarity of members by layer, with that of other trials."""
    by_layer = intervals(last["member_similarity"].isel({LAYER: slice(1, None)}))
    if not by_layer:
        return []
    reference = last["reference_similarity"].mean(names.TRIAL)
    others = {layer: float(reference.sel({LAYER: layer})) for layer in by_layer}
    if not all(np.isfinite(list(others.values()))):
        others = {}
    sentence = wording.members(context, by_layer, others)
    return [_finding("members", context, list(by_layer.values())[-1].mean, sentence)]


def _against_lowest(result: xr.Dataset, context: Context) -> list[Finding]:
    """Return at which layers members are more or less similar than at the lowest λ."""
    values = result["member_similarity"]
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


def _of_layers(last: xr.Dataset, context: Context) -> list[Finding]:
    """Return the similarity of consecutive layers, and which are nearly the same."""
    values = last["layer_similarity"]
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


def _of_epochs(last: xr.Dataset, context: Context, first: int) -> list[Finding]:
    """Return how similar each layer is to itself at the first epoch that is kept."""
    later = last.isel({names.TRIAL: np.flatnonzero(last[LAST_EPOCH] > first)})
    at_first = later["epoch_similarity"].sel({OTHER_EPOCH: first})
    by_layer = intervals(at_first.isel({LAYER: slice(1, None)}))
    if not by_layer:
        return []
    lowest = min(interval.mean for interval in by_layer.values())
    return [_finding("epochs", context, lowest, wording.epochs(context, first, by_layer))]


def _constant(last: xr.Dataset, context: Context) -> list[Finding]:
    """Return the layers of which some members have no similarity."""
    counts = last["constant_members"]
    trials = int(counts.notnull().any(LAYER).sum())
    total = trials * int(last.attrs.get("members", 0))
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
        epoch=last_epoch.of_finding(context.epochs),
        number=number,
        sentence=sentence,
    )
