"""What it costs to train layers otherwise than end to end: differences between results of runs.

A run is compared with the first one of the same setting (`credit_facts.SETTING`) whose layers are
trained end to end. Trials of both with the same number are pairs.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.probing import credit_facts
from jtdiag.stats import Interval, paired, smallest_detectable

Results = Sequence[tuple[str, xr.Dataset]]
"""The name of each run, and its result of the probe performance."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """By how much the test error of a run differs from that of end-to-end training, at one λ."""

    run: str
    reference: str
    """The run that is trained end to end."""
    credit: str
    """How the run trains layers, such as "local, pred, μ = 0.5"."""
    rule: str
    """Credit of the run without μ, reach and cuts."""
    setting: str
    lam: float
    mu: float | None
    """None if the run has no μ that is constant; so are the next two."""
    reach: int | None
    modules: int | None
    trials: int
    """Number of pairs."""
    points: Interval
    """Mean difference in percentage points; all intervals hold together (Bonferroni)."""
    detectable: float = math.nan
    """Difference in points that the test detects with a probability of 80 %; NaN if unknown."""
    comparisons: int = 1
    """Number of differences whose intervals hold together."""


def gaps(results: Results) -> list[Gap]:
    """Return the difference of every run from its reference at every λ that both have.

    Runs without a reference, and λs without a common trial, are left out.

    Args:
        results: In the order of the runs. Results without `credit_facts` are left out.
    """
    known = [(name, result) for name, result in results if credit_facts.SETTING in result.attrs]
    references: dict[str, tuple[str, xr.Dataset]] = {}
    for name, result in known:
        if result.attrs[credit_facts.WHOLE]:
            references.setdefault(result.attrs[credit_facts.SETTING], (name, result))
    measured = [
        (gap, pairs)
        for name, result in known
        if (reference := references.get(result.attrs[credit_facts.SETTING]))
        and result is not reference[1]
        for gap, pairs in _of_run(name, result, *reference)
    ]
    comparisons = max(1, sum(len(pairs) > 1 for _, pairs in measured))
    return [
        replace(
            gap,
            points=paired(pairs, comparisons),
            detectable=smallest_detectable(pairs, comparisons),
            comparisons=comparisons,
        )
        for gap, pairs in measured
    ]


def _of_run(
    name: str, result: xr.Dataset, reference_name: str, reference: xr.Dataset
) -> Iterator[tuple[Gap, NDArray[np.floating[Any]]]]:
    """Yield the gap at every λ, without its interval, and the differences in points by trial."""
    attrs = result.attrs
    errors, wanted = (_on_test(each) for each in (result, reference))
    for lam in sorted({*errors[names.LAM].values} & {*wanted[names.LAM].values}):
        at_lam = (each.sel({names.LAM: lam}) for each in (errors, wanted))
        own, other = xr.align(*at_lam, join="inner")
        differences = 100 * (own - other).values
        differences = differences[np.isfinite(differences)]
        if not differences.size:
            continue
        gap = Gap(
            run=name,
            reference=reference_name,
            credit=attrs[credit_facts.LABEL],
            rule=attrs[credit_facts.RULE],
            setting=attrs[credit_facts.SETTING],
            lam=float(lam),
            mu=attrs.get(credit_facts.MU),
            reach=attrs.get(credit_facts.REACH),
            modules=attrs.get(credit_facts.MODULES),
            trials=differences.size,
            points=Interval(math.nan, math.nan, math.nan),
        )
        yield gap, differences


def _on_test(result: xr.Dataset) -> xr.DataArray:
    return result[names.ENSEMBLE_ERROR].sel({names.SPLIT: names.TEST})
