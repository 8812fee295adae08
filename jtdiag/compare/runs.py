"""Two runs against each other: the fields of their recipes, and their results with intervals.

The doubt of a difference is the best that the runs allow. Trials of one seed are pairs: trial t
of both runs has the same split of the data and sees it in the same order. Trials of different
seeds are two groups. A single trial says nothing about another training; where both runs have kept
their outputs, the test examples are pairs, and the interval is that of two trained ensembles.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import binomtest

from jtdiag import names
from jtdiag.families import combining
from jtdiag.recipe import toml
from jtdiag.stats import Interval, paired, unpaired
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run

POINTS = "points"
"""Of errors: percent, and differences in points."""
QUANTITIES: Mapping[str, tuple[str, str]] = {
    names.ENSEMBLE_ERROR: ("ensemble error", POINTS),
    "median_member_error": ("median member", POINTS),
    names.ENSEMBLE_LOSS: ("ensemble loss", names.NAT),
    "mean_member_loss": ("members' loss", names.NAT),
    "diversity": ("diversity", names.NAT),
}
"""Variables of the performance probe that are compared, what they are called, and their unit."""

BY_TRIAL, BY_GROUP, BY_EXAMPLE = "paired trials", "trials, not paired", "paired test examples"

Values = NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True)
class Field:
    """A field in which two recipes differ, with its values as TOML."""

    name: str
    a: str
    b: str


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One quantity on test at one λ, in both runs; percent and points for errors, else nats."""

    lam: float
    quantity: str
    unit: str
    a: float
    b: float
    interval: Interval
    """Of b − a."""
    doubt: str
    """What the interval is over, such as "paired test examples"; "" where there is none."""
    count: int
    """Trials, or examples, that the interval is made of."""
    note: str = ""


# --- recipes -------------------------------------------------------------------------------------


def fields(a: Run, b: Run) -> list[Field]:
    """Return the fields in which the recipes would give different runs."""
    left, right = (_flat(asdict(run.recipe)) for run in (a, b))
    return [
        Field(name=name, a=_plain(left.get(name)), b=_plain(right.get(name)))
        for name in toml.differences(a.recipe, b.recipe)
    ]


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items():
        inside = value if isinstance(value, dict) and key in toml.SECTIONS else None
        found |= {key: value} if inside is None else {f"{key}.{k}": v for k, v in inside.items()}
    return found


def _plain(value: Any) -> str:
    return toml.plain(value)


# --- results -------------------------------------------------------------------------------------


def differences(
    a: Run, b: Run, performance_a: xr.Dataset, performance_b: xr.Dataset
) -> list[Difference]:
    """Return b − a of every quantity on test, at every λ that both runs have, with its doubt.

    Each lane at the epoch that validation chose. Memory holds one chunk of outputs.

    Args:
        a: A run.
        b: Another.
        performance_a: What the performance probe says of a.
        performance_b: Of b.
    """
    found: list[Difference] = []
    on_test = [p.sel({names.SPLIT: names.TEST}) for p in (performance_a, performance_b)]
    for lam in shared(a, b):
        x, y = (p.sel({names.LAM: lam}) for p in on_test)
        found += _at(a, b, lam, x, y)
    return found


def shared(a: Run, b: Run) -> list[float]:
    """Return the λs that both runs have, ascending."""
    return sorted(set(a.recipe.lam) & set(b.recipe.lam))


def same_draws(a: Run, b: Run) -> bool:
    """Tell whether trial t of both runs splits the same data alike: then trials are pairs."""
    one, other = a.recipe, b.recipe
    return (one.seed, one.data.name, one.data.val) == (other.seed, other.data.name, other.data.val)


def _at(a: Run, b: Run, lam: float, x: xr.Dataset, y: xr.Dataset) -> list[Difference]:
    """Return the differences at one λ; x and y are what is known there, by trial."""
    known = [_trials(one) for one in (x, y)]
    if not known[0] or not known[1]:
        return []
    both = [trial for trial in known[0] if trial in known[1]] if same_draws(a, b) else []
    if len(both) > 1:
        x, y = (one.sel({names.TRIAL: both}) for one in (x, y))
        return [_by_trial(lam, name, x, y) for name in QUANTITIES]
    if not both and min(map(len, known)) > 1:
        return [_by_group(lam, name, x, y) for name in QUANTITIES]
    trials = (both[0], both[0]) if both else (known[0][0], known[1][0])
    x, y = (one.sel({names.TRIAL: [trial]}) for one, trial in zip((x, y), trials, strict=True))
    examples = _pairs_of_examples(a, b, lam, trials)
    return [_by_example(lam, name, x, y, examples) for name in QUANTITIES]


def _trials(at: xr.Dataset) -> list[int]:
    """Return the trials of which the ensemble's error is known."""
    return [int(t) for t in at[names.TRIAL].values[np.isfinite(at[names.ENSEMBLE_ERROR].values)]]


def _difference(
    lam: float, name: str, x: Values, y: Values, interval: Interval, doubt: str, count: int
) -> Difference:
    label, unit = QUANTITIES[name]
    factor = 100 if unit == POINTS else 1
    return Difference(
        lam=lam,
        quantity=label,
        unit=unit,
        a=factor * float(np.mean(x)),
        b=factor * float(np.mean(y)),
        interval=Interval(*(factor * end for end in interval)),
        doubt=doubt if interval.exists else "",
        count=count if interval.exists else 0,
    )


def _by_trial(lam: float, name: str, x: xr.Dataset, y: xr.Dataset) -> Difference:
    left, right = x[name].values, y[name].values
    return _difference(lam, name, left, right, paired(right - left), BY_TRIAL, len(left))


def _by_group(lam: float, name: str, x: xr.Dataset, y: xr.Dataset) -> Difference:
    left, right = (one[name].values[np.isfinite(one[name].values)] for one in (x, y))
    count = min(len(left), len(right))
    return _difference(lam, name, left, right, unpaired(left, right), BY_GROUP, count)


def _by_example(
    lam: float,
    name: str,
    x: xr.Dataset,
    y: xr.Dataset,
    examples: tuple[Mapping[str, Values], Mapping[str, Values]] | None,
) -> Difference:
    """Return a difference of single trials, with the doubt over test examples if it is known."""
    left, right = x[name].values, y[name].values
    none = Interval(float(right.mean() - left.mean()), np.nan, np.nan)
    if examples is None or name not in examples[0] or name not in examples[1]:
        return _difference(lam, name, left, right, none, "", 0)
    each = examples[1][name] - examples[0][name]
    found = _difference(lam, name, left, right, paired(each), BY_EXAMPLE, len(each))
    if name != names.ENSEMBLE_ERROR or not set(np.unique(each)) <= {-1.0, 0.0, 1.0}:
        return found
    return Difference(
        **{**vars(found), "note": mcnemar(int((each > 0).sum()), int((each < 0).sum()))}
    )


def mcnemar(only_a: int, only_b: int) -> str:
    """Return McNemar's exact test in words, of the examples that one run alone has right."""
    if only_a + only_b == 0:
        return "both are right on the same examples"
    p = float(binomtest(only_b, only_a + only_b).pvalue)
    return f"right alone: A on {only_a} examples, B on {only_b} (exact McNemar p = {p:.2g})"


# --- examples ------------------------------------------------------------------------------------


def _pairs_of_examples(
    a: Run, b: Run, lam: float, trials: tuple[int, int]
) -> tuple[Mapping[str, Values], Mapping[str, Values]] | None:
    """Return both runs' quantities by test example; None unless both kept outputs on the same."""
    lanes = [
        Lane(trial, run.recipe.lam.index(lam)) for run, trial in zip((a, b), trials, strict=True)
    ]
    if not all(_keeps_outputs(run, lane) for run, lane in zip((a, b), lanes, strict=True)):
        return None
    targets = [run.target(names.TEST, lane) for run, lane in zip((a, b), lanes, strict=True)]
    if not np.array_equal(targets[0], targets[1]):
        return None
    return by_example(a, lanes[0]), by_example(b, lanes[1])


def _keeps_outputs(run: Run, lane: Lane) -> bool:
    kept = run.seal(lane).outputs if names.TEST in run.recipe.keep.splits else ()
    return run.chosen_epoch(lane) in kept


def by_example(run: Run, lane: Lane) -> dict[str, Values]:
    """Return error and loss of the ensemble, the members' mean loss and diversity, (n,) each.

    On test, at the epoch that validation chose, read chunk by chunk.
    """
    rows: dict[str, list[Values]] = {}
    for block in run.outputs(lane, run.chosen_epoch(lane), names.TEST):
        eta = torch.from_numpy(block.logits.astype(np.float64))
        target = torch.from_numpy(np.ascontiguousarray(block.target))
        mean = combining.prediction(run.family, eta, run.recipe.combiner)
        loss = combining.ensemble_loss(run.family, eta, target, run.recipe.combiner)
        members = combining.member_losses(run.family, eta, target).mean(-2)
        found = {
            names.ENSEMBLE_ERROR: run.family.error(mean, target) / run.error_scale,
            names.ENSEMBLE_LOSS: loss,
            "mean_member_loss": members,
            "diversity": members - loss,
        }
        for name, values in found.items():
            rows.setdefault(name, []).append(values.numpy())
    return {name: np.concatenate(parts) for name, parts in rows.items()}
