"""Test errors of the schemes of a study, read from the results of its runs."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.errors import StoreError
from jtdiag.names import lam_text
from jtdiag.probing import results
from jtdiag.recipe import studies
from jtdiag.stats import plus_minus, standard_error
from jtdiag.store.run import RECIPE, Run
from jtdiag.tables import wording

HEADINGS = ("scheme", "λ", "members", "learning rate", "test error")
PROBES = ("performance", "stacking")
"""Probes whose results are compared."""


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """Test errors of one scheme of a study."""

    run: str
    """Name of the run in the study."""
    scheme: str
    """"joint", "bagging", "stacking" or "single"."""
    label: str
    lam: float
    members: int
    lr: float
    """Learning rate, for all members together."""
    errors: tuple[float, ...]
    """Error of the ensemble by trial, as fractions."""

    @property
    def mean(self) -> float:
        """Mean error over trials, in percent."""
        return 100 * float(np.mean(self.errors))

    @property
    def se(self) -> float:
        """Standard error over trials, in percent; NaN for one trial."""
        return 100 * float(standard_error(self.errors))

    @property
    def together(self) -> bool:
        """Whether the members were trained jointly."""
        return self.scheme == "joint" and self.lam > 0


def of_study(folder: Path) -> list[Scheme]:
    """Return all schemes of a study, from the stored results of its runs.

    Independently trained members that were also stacked are two schemes. Runs that train layers
    in different ways are labeled by their names. Runs that have not been probed yet, since they
    are being trained or have not begun, are left out.

    Raises:
        StoreError: if no run has been trained and probed yet.
    """
    study = studies.read(folder / studies.FILE)
    schemes = [s for run in probed_in(folder) for s in _of_run(run, run.path.name)]
    if any(recipe.modules.active for recipe in study.runs.values()):
        schemes = [_named(scheme, study.runs[scheme.run].lam) for scheme in schemes]
    counts = Counter(scheme.label for scheme in schemes)
    labeled = [
        replace(s, label=f"{s.label} ({s.run})") if counts[s.label] > 1 else s for s in schemes
    ]
    order = ("single", "independent", "bagging", "stacking", "joint")
    return sorted(labeled, key=lambda scheme: (order.index(_kind(scheme)), scheme.lam))


def runs_in(folder: Path) -> list[Run]:
    """Return the run in a folder, or the runs of the study in it whose training has begun.

    Raises:
        StoreError: if the folder has no run.
    """
    if not studies.is_study(folder):
        return [Run(folder)]
    names_of_runs = studies.read(folder / studies.FILE).runs
    begun = [name for name in names_of_runs if os.path.isfile(folder / name / RECIPE)]
    if not begun:
        raise StoreError(wording.no_run_begun(folder))
    return [Run(folder / name) for name in begun]


def probed_in(folder: Path) -> list[Run]:
    """Return the runs of `runs_in` that have been probed; all of them if none has been.

    Raises:
        StoreError: if the folder has no run.
    """
    begun = runs_in(folder)
    return [
        run for run in begun if all(results.path_of(run, name).exists() for name in PROBES)
    ] or begun


def _kind(scheme: Scheme) -> str:
    return "independent" if scheme.scheme == "joint" and not scheme.together else scheme.scheme


def _of_run(run: Run, name: str) -> Iterator[Scheme]:
    """Yield the schemes of one run of a study."""
    recipe = run.recipe
    performance, stacking = (results.load(run, name) for name in PROBES)
    for i, lam in enumerate(recipe.lam):
        scheme = Scheme(
            run=name,
            scheme=recipe.scheme,
            label=_label(recipe.scheme, lam),
            lam=lam,
            members=recipe.members.count,
            lr=recipe.first_lr(i),
            errors=_on_test(performance, names.ENSEMBLE_ERROR, lam),
        )
        stacked = _on_test(stacking, "stacked_error", lam)
        if recipe.scheme != "stacking" and scheme.errors:
            yield scheme
        if stacked and recipe.scheme in ("joint", "stacking"):
            yield replace(scheme, scheme="stacking", label="stacking", errors=stacked)


def _named(scheme: Scheme, lams: Sequence[float]) -> Scheme:
    """Label members that are trained jointly by their run, and by λ if it has several."""
    if scheme.scheme != "joint":
        return scheme
    where = "" if len(lams) == 1 else f", λ = {lam_text(scheme.lam)}"
    return replace(scheme, label=f"{scheme.run}{where}")


def _label(scheme: str, lam: float) -> str:
    if scheme == "joint":
        return {0.0: "independent", 1.0: "end to end"}.get(lam, f"λ = {lam_text(lam)}")
    return "single network" if scheme == "single" else scheme


def _on_test(result: xr.Dataset, name: str, lam: float) -> tuple[float, ...]:
    """Return the values of one λ by trial, without NaN."""
    values = result[name].sel({names.LAM: lam, names.SPLIT: names.TEST}).values
    return tuple(float(value) for value in values if np.isfinite(value))


def rows(schemes: Sequence[Scheme]) -> list[tuple[str, ...]]:
    """Return one row of text per scheme, under `HEADINGS`: errors in percent, mean ± SE."""
    return [
        (
            scheme.label,
            "" if scheme.scheme == "single" else lam_text(scheme.lam),
            str(scheme.members),
            f"{scheme.lr:g}",
            plus_minus(scheme.mean, scheme.se, ".2f", "%"),
        )
        for scheme in schemes
    ]


def to_dataset(schemes: Sequence[Scheme]) -> xr.Dataset:
    """Return λ, members and learning rate (bar) and errors (bar, trial), by label."""
    trials = max(len(scheme.errors) for scheme in schemes)
    padded = [(*s.errors, *[np.nan] * (trials - len(s.errors))) for s in schemes]
    return xr.Dataset(
        {
            "lam": ("bar", [scheme.lam for scheme in schemes]),
            "members": ("bar", [scheme.members for scheme in schemes]),
            "learning_rate": ("bar", [scheme.lr for scheme in schemes]),
            "error": (("bar", "trial"), np.array(padded), {"unit": "fraction"}),
        },
        coords={
            "bar": [scheme.label for scheme in schemes],
            "scheme": ("bar", [scheme.scheme for scheme in schemes]),
            "trial": np.arange(trials),
        },
    )
