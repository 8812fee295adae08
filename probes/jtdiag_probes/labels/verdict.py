"""What the result of the probe `labels` shows at the last hidden layer, tested over trials."""

import numpy as np
import xarray as xr

from jtdiag import names, stats
from jtdiag.probing.findings import Finding
from jtdiag.stats.comparisons import LEAST_TRIALS
from jtdiag_probes.labels import wording
from jtdiag_probes.labels.wording import ALL, Context

LABELS = "labels"
"""Dimension of the numbers of labels a class; the last is all."""
LAYER = "layer"
"""Dimension of the layers; the first is the inputs, the others are hidden."""
INPUTS = "inputs"
UNTRAINED = "before training"
"""The same layer at epoch 0."""


def judge(result: xr.Dataset) -> list[Finding]:
    """Return errors by number of labels for every λ, with controls and the lowest λ."""
    if "label_error" not in result or not result["label_error"].notnull().any():
        return []
    result = result.sortby(names.LAM)
    findings = []
    for lam in map(float, result[names.LAM].values):
        at_lam = result.sel({names.LAM: lam})
        if at_lam["label_error"].notnull().any():
            context = Context(
                lam=lam,
                layer=str(result[LAYER].values[-1]),
                draws=int(result.attrs["draws"]),
            )
            findings += _of_lam(result, at_lam, context)
    return findings


def _of_lam(result: xr.Dataset, at_lam: xr.Dataset, context: Context) -> list[Finding]:
    if context.layer == INPUTS:
        return [_finding("no-hidden-layer", context, 0, wording.no_hidden_layer(context))]
    error = 100 * at_lam["label_error"].sel({LAYER: context.layer})
    intervals = {
        labels: stats.mean_interval(values).within(0, 100)
        for labels, values in _by_labels(error).items()
    }
    most = intervals[ALL].mean if ALL in intervals else next(iter(intervals.values())).mean
    sentence = wording.by_labels(context, intervals)
    trials = int(error.notnull().any(LABELS).sum())
    findings = [_finding("by-labels", context, most, sentence)]
    if trials < LEAST_TRIALS:
        sentence = wording.too_few_trials(context, trials, LEAST_TRIALS)
        return [*findings, _finding("too-few-trials", context, trials, sentence)]
    findings += _against_all(result, error, context)
    findings += _against_controls(result, at_lam, context)
    return findings + _against_lowest(result, error, context)


def _against_all(result: xr.Dataset, error: xr.DataArray, context: Context) -> list[Finding]:
    """Return how many labels are enough to be near the error with all of them."""
    differences = error.isel({LABELS: slice(-1)}) - error.sel({LABELS: ALL})
    compared = _paired(differences, result.sizes[names.LAM])
    if not compared:
        return []
    largest = max((interval.mean for interval, *_ in compared.values()), key=abs)
    return [_finding("enough", context, largest, wording.enough(context, compared))]


def _against_controls(result: xr.Dataset, at_lam: xr.Dataset, context: Context) -> list[Finding]:
    """Return whether few labels do better here than on the inputs and before training."""
    own = 100 * at_lam["label_error"].sel({LAYER: context.layer})
    controls = {
        INPUTS: 100 * at_lam["label_error"].sel({LAYER: INPUTS}),
        UNTRAINED: 100 * at_lam["untrained_label_error"].sel({LAYER: context.layer}),
    }
    findings = []
    for name, values in controls.items():
        compared = _paired(own - values, len(controls) * result.sizes[names.LAM])
        if compared:
            largest = max((interval.mean for interval, *_ in compared.values()), key=abs)
            sentence = wording.against_control(context, name == INPUTS, compared)
            rule = "against-inputs" if name == INPUTS else "against-untrained"
            findings.append(_finding(rule, context, largest, sentence))
        elif name == UNTRAINED:
            sentence = wording.no_untrained(context)
            findings.append(_finding("no-control", context, 0, sentence))
    return findings


def _against_lowest(result: xr.Dataset, error: xr.DataArray, context: Context) -> list[Finding]:
    """Return whether the same labels do better or worse than at the lowest λ."""
    lowest = float(result[names.LAM].values[0])
    if context.lam == lowest:
        return []
    other = 100 * result["label_error"].sel({names.LAM: lowest, LAYER: context.layer})
    compared = _paired(error - other, result.sizes[names.LAM] - 1)
    if not compared:
        return []
    largest = max((interval.mean for interval, *_ in compared.values()), key=abs)
    sentence = wording.against_lowest(context, lowest, compared)
    return [_finding("against-lowest", context, largest, sentence)]


def _paired(differences: xr.DataArray, families: int) -> wording.Compared:
    """Return interval, smallest detectable difference and trials by number of labels.

    Args:
        differences: (trial, labels) in points.
        families: How often numbers of labels are compared like this; intervals hold for all.
    """
    by_labels = _by_labels(differences)
    comparisons = len(by_labels) * families
    return {
        labels: (
            stats.paired(values, comparisons),
            stats.smallest_detectable(values, comparisons),
            values.size,
        )
        for labels, values in by_labels.items()
        if values.size >= LEAST_TRIALS
    }


def _by_labels(values: xr.DataArray) -> dict[str, np.ndarray]:
    """Return the finite values (trial, labels) of each number of labels that has any."""
    columns = values.transpose(LABELS, names.TRIAL)
    finite = {str(column[LABELS].values): column.values for column in columns}
    finite = {labels: column[np.isfinite(column)] for labels, column in finite.items()}
    return {labels: column for labels, column in finite.items() if column.size}


def _finding(rule: str, context: Context, percent: float, sentence: str) -> Finding:
    return Finding(
        probe="labels",
        rule=rule,
        level="info",
        lam=context.lam,
        number=percent,
        sentence=sentence,
    )
