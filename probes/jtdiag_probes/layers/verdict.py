"""What the result of the probe `layers` shows, tested over trials."""

import itertools

import numpy as np
import xarray as xr

from jtdiag import names, stats
from jtdiag.probing.findings import Finding
from jtdiag.stats.comparisons import LEAST_TRIALS
from jtdiag_probes.layers import wording

LAYER = "layer"
"""Dimension of the layers of a member; the first is the inputs, the last the head."""
INPUTS = "inputs"


def judge(result: xr.Dataset) -> list[Finding]:
    """Return the linear probes' errors by layer for every λ, and which layers change them."""
    if "probe_error" not in result:
        return []
    findings = []
    for lam in sorted(float(value) for value in result[names.LAM].values):
        error = result["probe_error"].sel({names.LAM: lam})
        measured = np.flatnonzero(error.notnull().any((names.TRIAL, names.MEMBER, LAYER)).values)
        if measured.size:
            findings += _of_epoch(error.isel({names.EPOCH: measured[-1]}), lam)
    return findings


def _of_epoch(error: xr.DataArray, lam: float) -> list[Finding]:
    """Return the findings of errors (trial, member, layer) at one λ and epoch."""
    epoch, layers = int(error[names.EPOCH]), [str(name) for name in error[LAYER].values]
    by_trial = error.mean(names.MEMBER).transpose(LAYER, names.TRIAL)
    by_trial = by_trial.isel({names.TRIAL: by_trial.notnull().any(LAYER).values})
    errors = {
        layer: stats.mean_interval(values).scaled(100).within(0, 100)
        for layer, values in zip(layers, by_trial.values, strict=True)
    }
    errors = {layer: interval for layer, interval in errors.items() if np.isfinite(interval.mean)}
    if len(errors) < 3 or list(errors)[-1] != layers[-1]:  # no hidden layer, or a member diverged
        return []
    sentence = wording.by_layer(lam, epoch, errors)
    head = errors[layers[-1]].mean
    findings = [_finding("by-layer", lam, epoch, head / 100, sentence)]
    changes = _changes(by_trial, layers)
    if changes:
        trials = by_trial.sizes[names.TRIAL]
        largest = max(change.mean for change, _ in changes.values())
        sentence = wording.changes(lam, epoch, changes, trials)
        findings.append(_finding("changes", lam, epoch, largest / 100, sentence))
    return findings


def _changes(by_trial: xr.DataArray, layers: list[str]) -> dict[str, tuple[stats.Interval, float]]:
    """Return, in points, the change of the error at each hidden layer but the first.

    It is that from the layer before, with an interval that holds for all of them together, and
    the change that would have been detected. None with fewer than three trials.
    """
    hidden = layers[1:-1]
    if len(hidden) < 2:
        return {}
    changes = {}
    for before, after in itertools.pairwise(hidden):
        differences = 100 * (by_trial.sel({LAYER: after}) - by_trial.sel({LAYER: before})).values
        differences = differences[np.isfinite(differences)]
        if differences.size < LEAST_TRIALS:
            return {}
        comparisons = len(hidden) - 1
        changes[after] = (
            stats.paired(differences, comparisons),
            stats.smallest_detectable(differences, comparisons),
        )
    return changes


def _finding(rule: str, lam: float, epoch: int, number: float, sentence: str) -> Finding:
    return Finding(
        probe="layers",
        rule=rule,
        level="info",
        lam=lam,
        epoch=epoch,
        number=number,
        sentence=sentence,
    )
