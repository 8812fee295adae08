"""What the result of the probe `layers` shows, tested over trials."""

import itertools
from collections.abc import Sequence

import numpy as np
import xarray as xr

from jtdiag import names, stats
from jtdiag.probing import last_epoch
from jtdiag.probing.findings import Finding
from jtdiag.probing.last_epoch import LAST_EPOCH, at_last_epoch
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
        at_lam = result[["probe_error", LAST_EPOCH]].sel({names.LAM: lam})
        if last_epoch.distinct(at_lam[LAST_EPOCH]):
            findings += _of_lam(at_last_epoch(at_lam, at_lam[LAST_EPOCH]), lam)
    return findings


def _of_lam(last: xr.Dataset, lam: float) -> list[Finding]:
    """Return the findings of errors (trial, member, layer) at one λ."""
    layers = [str(name) for name in last[LAYER].values]
    by_trial = last["probe_error"].mean(names.MEMBER).transpose(LAYER, names.TRIAL)
    measured = by_trial.notnull().any(LAYER).values
    by_trial = by_trial.isel({names.TRIAL: measured})
    epochs = last_epoch.distinct(last[LAST_EPOCH][measured])
    errors = {
        layer: stats.mean_interval(values).scaled(100).within(0, 100)
        for layer, values in zip(layers, by_trial.values, strict=True)
    }
    errors = {layer: interval for layer, interval in errors.items() if np.isfinite(interval.mean)}
    if len(errors) < 3 or list(errors)[-1] != layers[-1]:  # no hidden layer, or a member diverged
        return []
    sentence = wording.by_layer(lam, epochs, errors)
    head = errors[layers[-1]].mean
    findings = [_finding("by-layer", lam, epochs, head / 100, sentence)]
    changes = _changes(by_trial, layers)
    if changes:
        trials = by_trial.sizes[names.TRIAL]
        largest = max(change.mean for change, _ in changes.values())
        sentence = wording.changes(lam, epochs, changes, trials)
        findings.append(_finding("changes", lam, epochs, largest / 100, sentence))
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


def _finding(rule: str, lam: float, epochs: Sequence[int], number: float, sentence: str) -> Finding:
    return Finding(
        probe="layers",
        rule=rule,
        level="info",
        lam=lam,
        epoch=last_epoch.of_finding(epochs),
        number=number,
        sentence=sentence,
    )
