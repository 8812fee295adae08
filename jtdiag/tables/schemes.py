"""Test error of every scheme of a study, read from the results of its runs."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.stats import sem

from jtdiag import names
from jtdiag.probing import results
from jtdiag.recipe import studies
from jtdiag.recipe.studies import FILE
from jtdiag.store.run import Run

HEADINGS = ("scheme", "λ", "members", "learning rate", "test error")
PROBES = ("performance", "stacking")
"""Probes whose results are compared."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One scheme of a study, on test."""

    scheme: str
    """"joint", "bagging", "stacking" or "single"."""
    label: str
    lam: float
    members: int
    lr: float
    """Learning rate of all members together."""
    errors: tuple[float, ...]
    """Of the ensemble, by trial: fractions."""

    @property
    def mean(self) -> float:
        """Mean error over trials, in percent."""
        return 100 * float(np.mean(self.errors))

    @property
    def se(self) -> float:
        """Standard error over trials (n−1 in the variance), in percent; NaN for one trial."""
        return 100 * float(sem(self.errors)) if len(self.errors) > 1 else np.nan

    @property
    def together(self) -> bool:
        """Whether members were trained together."""
        return self.scheme == "joint" and self.lam > 0


def bars(folder: Path) -> list[Bar]:
    """Return what every scheme of a study came to, from its runs' stored results.

    Members trained independently that were stacked as well give two bars.

    Raises:
        StoreError: if a run has not been trained or probed yet.
    """
    study = studies.read(folder / FILE)
    found = [(name, bar) for name in study.runs for bar in _bars_of(Run(folder / name))]
    often = Counter(bar.label for _, bar in found)
    named = [
        replace(bar, label=f"{bar.label} ({name})") if often[bar.label] > 1 else bar
        for name, bar in found
    ]
    order = ("single", "independent", "bagging", "stacking", "joint")
    return sorted(named, key=lambda bar: (order.index(_kind(bar)), bar.lam))


def _kind(bar: Bar) -> str:
    return "independent" if bar.scheme == "joint" and not bar.together else bar.scheme


def _bars_of(run: Run) -> Iterator[Bar]:
    """Yield the bars of one run."""
    recipe = run.recipe
    performance, stacking = (results.load(run, name) for name in PROBES)
    for i, lam in enumerate(recipe.lam):
        bar = Bar(
            scheme=recipe.scheme,
            label=_label(recipe.scheme, lam),
            lam=lam,
            members=recipe.members.count,
            lr=recipe.first_lr(i),
            errors=_on_test(performance, names.ENSEMBLE_ERROR, lam),
        )
        stacked = _on_test(stacking, "stacked_error", lam)
        if recipe.scheme != "stacking" and bar.errors:
            yield bar
        if stacked and recipe.scheme in ("joint", "stacking"):
            yield replace(bar, scheme="stacking", label="stacking", errors=stacked)


def _label(scheme: str, lam: float) -> str:
    if scheme == "joint":
        return {0.0: "independent", 1.0: "end to end"}.get(lam, f"λ = {lam:g}")
    return "single network" if scheme == "single" else scheme


def _on_test(found: xr.Dataset, name: str, lam: float) -> tuple[float, ...]:
    """Return the known numbers of one λ, by trial."""
    values = found[name].sel({names.LAM: lam, names.SPLIT: names.TEST}).values
    return tuple(float(value) for value in values if np.isfinite(value))


def rows(bars: Sequence[Bar]) -> list[tuple[str, ...]]:
    """Return a row of text for each bar, under `HEADINGS`: errors in percent, mean ± s.e."""
    found: list[tuple[str, ...]] = []
    for bar in bars:
        doubt = f" ± {bar.se:.2f}" if np.isfinite(bar.se) else ""
        lam = "" if bar.scheme == "single" else f"{bar.lam:g}"
        error = f"{bar.mean:.2f}{doubt} %"
        found.append((bar.label, lam, str(bar.members), f"{bar.lr:g}", error))
    return found
