"""Comparison of two runs: the fields of their recipes, and their results with intervals.

The interval of a difference is the best that the runs allow. Trials of runs with the same seed are
pairs: trial t of both has the same data split and the same order of examples. Trials of different
seeds are two groups. A single trial does not show what another training would give; if both runs
have kept their outputs, the test examples are pairs, and the interval is for two trained ensembles.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.compare import wording
from jtdiag.compare.contract import (
    BY_EXAMPLE,
    BY_GROUP,
    BY_TRIAL,
    POINTS,
    Difference,
    Field,
)
from jtdiag.names import lam_text
from jtdiag.probing.by_example import by_example, has_outputs
from jtdiag.recipe import toml
from jtdiag.stats import (
    Interval,
    mcnemar,
    paired,
    paired_fractions,
    smallest_detectable,
    smallest_detectable_unpaired,
    unpaired,
)
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run

QUANTITIES: Mapping[str, tuple[str, str]] = {
    names.ENSEMBLE_ERROR: ("ensemble error", POINTS),
    "median_member_error": ("median member", POINTS),
    names.ENSEMBLE_LOSS: ("ensemble loss", names.NAT),
    "mean_member_loss": ("members' loss", names.NAT),
    "diversity": ("diversity", names.NAT),
}
"""Variables of the probe performance that are compared, with their labels and units."""

Values = NDArray[np.floating[Any]]


# --- recipes -------------------------------------------------------------------------------------


def fields(a: Run, b: Run) -> list[Field]:
    """Return the fields in which the recipes differ and that change the outcome."""
    return [
        Field(name=name, a=_value(a, name), b=_value(b, name))
        for name in toml.differences(a.recipe, b.recipe)
        if a.knows(name) or b.knows(name)
    ]


def _value(run: Run, field: str) -> str:
    known = run.knows(field)
    return toml.plain(toml.lookup(run.recipe, field)) if known else wording.UNKNOWN


# --- results -------------------------------------------------------------------------------------


def differences(
    a: Run, b: Run, performance_a: xr.Dataset, performance_b: xr.Dataset
) -> list[Difference]:
    """Return b − a of every quantity on test, at every λ that both runs have, with intervals.

    Each lane is evaluated at the epoch selected on validation. The intervals of each quantity hold
    simultaneously for all λs (Bonferroni). One chunk of outputs at a time is kept in memory.

    Args:
        a: A run.
        b: Another run.
        performance_a: Result of the probe performance for a.
        performance_b: The same for b.
    """
    on_test = [result.sel({names.SPLIT: names.TEST}) for result in (performance_a, performance_b)]
    pairs = {lam: [result.sel({names.LAM: lam}) for result in on_test] for lam in shared(a, b)}
    measured = {lam: pair for lam, pair in pairs.items() if all(map(_trials, pair))}
    rows: list[Difference] = []
    for lam, (x, y) in measured.items():
        rows += _at_lam(a, b, _At(lam, len(measured)), x, y)
    return rows


def shared(a: Run, b: Run) -> list[float]:
    """Return the λs that both runs have, ascending."""
    return sorted(set(a.recipe.lam) & set(b.recipe.lam))


def same_draws(a: Run, b: Run) -> bool:
    """Return whether trial t of both runs has the same data split, so that trials are pairs.

    It is not known of runs recorded from a user's training loop.
    """
    if a.recorded or b.recorded:
        return False
    keys = [(run.recipe.seed, run.recipe.data.val) for run in (a, b)]
    return keys[0] == keys[1] and same_data(a, b)


def same_data(a: Run, b: Run) -> bool:
    """Return whether the runs were trained on the same data, under whatever name.

    By their fingerprints, or by their names and selected examples, if one of the runs is older or
    the data were read in another way, such as with another scale. Runs recorded from a user's
    training loop have the same data if they have the same targets on test.
    """
    if a.recorded or b.recorded:
        return _same_targets(a, b)
    prints = [run.settings.get(names.FINGERPRINT) for run in (a, b)]
    if None in prints or a.recipe.data.options != b.recipe.data.options:
        keys = [(data.name, data.classes, data.limit) for data in (a.recipe.data, b.recipe.data)]
        return keys[0] == keys[1]
    return prints[0] == prints[1]


def _same_targets(a: Run, b: Run) -> bool:
    """Return whether both runs have kept outputs on test, for the same targets."""
    kept = [names.TEST in r.recipe.keep.splits and r.recipe.keep.outputs != "none" for r in (a, b)]
    if not all(kept):
        return False
    of_a, of_b = (run.target(names.TEST, run.lanes[0]) for run in (a, b))
    return np.array_equal(of_a, of_b)


class _At(NamedTuple):
    """Where a difference is tested."""

    lam: float
    comparisons: int
    """Number of λs that are compared."""


def _at_lam(a: Run, b: Run, at: _At, x: xr.Dataset, y: xr.Dataset) -> list[Difference]:
    """Return the differences at one λ; x and y are the results there, by trial, both measured."""
    trials = [_trials(result) for result in (x, y)]
    common = [trial for trial in trials[0] if trial in trials[1]] if same_draws(a, b) else []
    if len(common) > 1:
        x, y = (result.sel({names.TRIAL: common}) for result in (x, y))
        return [_by_trial(at, name, x, y) for name in QUANTITIES]
    if not common and min(map(len, trials)) > 1:
        return [_by_group(at, name, x, y) for name in QUANTITIES]
    pair = (common[0], common[0]) if common else (trials[0][0], trials[1][0])
    x, y = (result.sel({names.TRIAL: [t]}) for result, t in zip((x, y), pair, strict=True))
    examples = _pairs_of_examples(a, b, at.lam, pair)
    return [_by_example(at, name, x, y, examples) for name in QUANTITIES]


def between(a: tuple[Run, xr.Dataset, float], b: tuple[Run, xr.Dataset, float]) -> Interval:
    """Return the test error of one run at a λ minus that of another at another λ.

    As a fraction, with an interval that holds for all pairs of λs simultaneously, since the λs may
    have been chosen by these errors. Trials are paired if they have the same data splits.

    Args:
        a: A run, its result of the probe performance, and a λ of it.
        b: The other.
    """
    left, right = (
        result[names.ENSEMBLE_ERROR].sel({names.LAM: lam, names.SPLIT: names.TEST})
        for _, result, lam in (a, b)
    )
    pairs = len(a[0].recipe.lam) * len(b[0].recipe.lam)
    if not same_draws(a[0], b[0]):
        x, y = (values.values[np.isfinite(values.values)] for values in (left, right))
        return unpaired(y, x, pairs)
    differences = (left - right).values  # by trial, of those that both have
    return paired(differences[np.isfinite(differences)], pairs)


def _trials(result: xr.Dataset) -> list[int]:
    """Return the trials that have an ensemble error."""
    measured = np.isfinite(result[names.ENSEMBLE_ERROR].values)
    return [int(trial) for trial in result[names.TRIAL].values[measured]]


def _difference(
    at: _At,
    name: str,
    x: Values,
    y: Values,
    interval: Interval,
    basis: str = "",
    count: int = 0,
    detectable: float = np.nan,
) -> Difference:
    label, unit = QUANTITIES[name]
    factor = 100 if unit == POINTS else 1
    return Difference(
        lam=at.lam,
        quantity=label,
        unit=unit,
        a=factor * float(np.mean(x)),
        b=factor * float(np.mean(y)),
        interval=interval.scaled(factor),
        doubt=basis if interval.exists else "",
        count=count if interval.exists else 0,
        comparisons=at.comparisons,
        detectable=factor * detectable,
    )


def _by_trial(at: _At, name: str, x: xr.Dataset, y: xr.Dataset) -> Difference:
    left, right = x[name].values, y[name].values
    each = right - left
    interval = paired(each, at.comparisons)
    detectable = smallest_detectable(each, at.comparisons)
    return _difference(at, name, left, right, interval, BY_TRIAL, len(left), detectable)


def _by_group(at: _At, name: str, x: xr.Dataset, y: xr.Dataset) -> Difference:
    left, right = (values[np.isfinite(values)] for values in (x[name].values, y[name].values))
    count = min(len(left), len(right))
    interval = unpaired(left, right, at.comparisons)
    detectable = smallest_detectable_unpaired(left, right, at.comparisons)
    return _difference(at, name, left, right, interval, BY_GROUP, count, detectable)


def _by_example(
    at: _At,
    name: str,
    x: xr.Dataset,
    y: xr.Dataset,
    examples: tuple[Mapping[str, Values], Mapping[str, Values]] | None,
) -> Difference:
    """Return a difference of single trials, with an interval over test examples if possible."""
    left, right = x[name].values, y[name].values
    if examples is None or name not in examples[0] or name not in examples[1]:
        no_interval = Interval(float(right.mean() - left.mean()), np.nan, np.nan)
        return _difference(at, name, left, right, no_interval)
    each = examples[1][name] - examples[0][name]
    detectable = smallest_detectable(each, at.comparisons)
    wrong_or_right = name == names.ENSEMBLE_ERROR and set(np.unique(each)) <= {-1.0, 0.0, 1.0}
    if not wrong_or_right:
        interval = paired(each, at.comparisons)
        return _difference(at, name, left, right, interval, BY_EXAMPLE, len(each), detectable)
    only_a, only_b = int((each > 0).sum()), int((each < 0).sum())
    interval = paired_fractions(only_a, only_b, len(each), at.comparisons)
    difference = _difference(at, name, left, right, interval, BY_EXAMPLE, len(each), detectable)
    p = mcnemar(only_a, only_b)
    return replace(difference, note=wording.mcnemar(only_a, only_b, p, at.comparisons))


# --- examples ------------------------------------------------------------------------------------


def _pairs_of_examples(
    a: Run, b: Run, lam: float, trials: tuple[int, int]
) -> tuple[Mapping[str, Values], Mapping[str, Values]] | None:
    """Return both runs' quantities by test example; None unless both kept outputs of the same."""
    lanes = [
        Lane(trial, run.recipe.lam.index(lam)) for run, trial in zip((a, b), trials, strict=True)
    ]
    if not all(has_outputs(run, lane) for run, lane in zip((a, b), lanes, strict=True)):
        return None
    targets = [run.target(names.TEST, lane) for run, lane in zip((a, b), lanes, strict=True)]
    if not np.array_equal(targets[0], targets[1]):
        return None
    return by_example(a, lanes[0]), by_example(b, lanes[1])


# --- notes ---------------------------------------------------------------------------------------


def notes(a: Run, b: Run, differences: Iterable[Difference]) -> list[str]:
    """Return notes on the differences: what their intervals are over, and what is missing.

    Args:
        a: A run.
        b: Another run.
        differences: Between them.
    """
    rows = list(differences)
    sentences = []
    if not rows:
        common = set(a.recipe.lam) & set(b.recipe.lam)
        sentences.append(
            wording.not_measured() if common else wording.no_common_lam(a.recipe.lam, b.recipe.lam)
        )
    data = a.recipe.data.name
    same = same_data(a, b)
    if not same and data == b.recipe.data.name:
        sentences.append(wording.changed_data(data))
    elif not same or a.error_measure != b.error_measure:
        sentences.append(
            wording.different_tasks(data, a.error_measure, b.recipe.data.name, b.error_measure)
        )
    for basis in dict.fromkeys(row.doubt for row in rows):
        sentences.append(
            wording.intervals(basis, max(row.count for row in rows if row.doubt == basis))
        )
    tested = [row for row in rows if row.interval.exists]
    sentences += [wording.simultaneous(tested[0].comparisons)] if tested else []
    sentences += [f"λ = {lam_text(row.lam)}: {row.note}." for row in rows if row.note]
    sentences += [wording.SIGNIFICANT] if any(row.interval.significant for row in rows) else []
    return [*sentences, *_power(tested)]


def _power(tested: Sequence[Difference]) -> list[str]:
    """Return what could have been detected in the ensemble error, if no λ differs there."""
    label, _ = QUANTITIES[names.ENSEMBLE_ERROR]
    errors = [row for row in tested if row.quantity == label]
    known = [row.detectable for row in errors if np.isfinite(row.detectable)]
    if not known or any(row.interval.significant for row in errors):
        return []
    return [wording.power(max(known))]
