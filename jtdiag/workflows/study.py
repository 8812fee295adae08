"""Carrying out a study: its runs one after another, and what they come to, side by side."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.engine.progress import Listener
from jtdiag.engine.train import train
from jtdiag.errors import ProbeError, StoreError
from jtdiag.figures.drawing import DEFAULT, Output, save
from jtdiag.figures.kinds import schemes
from jtdiag.figures.kinds.schemes import Bar
from jtdiag.probing import results as result
from jtdiag.probing.running import probe
from jtdiag.recipe import studies
from jtdiag.recipe.studies import FILE, Study
from jtdiag.store.lanes import write_atomically
from jtdiag.store.run import Run

FIGURE = "schemes"
_PROBES = ("performance", "stacking")


def carry_out(
    study: Study, folder: Path, display: Callable[[], AbstractContextManager[Listener]]
) -> None:
    """Train every run of a study that is not trained yet, and ask what the comparison needs.

    Args:
        study: What to carry out.
        folder: Every run becomes a folder in it.
        display: Shows the training of one run.

    Raises:
        JtdiagError: if folder, data or disk do not allow it; what is sealed stays.
    """
    _begin(study, folder)
    for name, recipe in study.runs.items():
        with display() as listener:
            run = train(recipe, folder / name, resume=True, listener=listener)
        for asked in _PROBES:
            probe(run, asked)


def _begin(study: Study, folder: Path) -> None:
    """Write the study's file into its folder, or refuse the folder of another."""
    if studies.is_study(folder):
        other = studies.differences(studies.read(folder / FILE), study)
        if other:
            raise StoreError(
                f"{folder} was made by another study, with other {', '.join(other)}. "
                "Go on with the same one, or name another folder with --out."
            )
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StoreError(f"{folder} is not empty and holds no study; name another with --out.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / FILE, studies.to_toml(study))
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written: {error}.") from error


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
    performance, stacking = (result.load(run, name) for name in _PROBES)
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


def plot(folder: Path, wanted: Sequence[str] = (), output: Output = DEFAULT) -> list[Path]:
    """Draw a study's schemes; return the files, ``figures/schemes.pdf`` and ``.png``.

    Args:
        folder: Of the study.
        wanted: Names of figures, of which a study has one.
        output: What is written, and where.

    Raises:
        ProbeError: if another figure is wanted.
        StoreError: if a result is missing, or the disk refuses.
    """
    if {*wanted} - {FIGURE}:
        raise ProbeError(
            f"{folder} is a study, whose figure is '{FIGURE}'; name the folder of one of its runs "
            f"for {', '.join(wanted)}."
        )
    one = Run(folder / next(iter(studies.read(folder / FILE).runs)))
    made_by = result.load(one, _PROBES[0]).attrs
    date = f", {made_by['date']}" if "date" in made_by else ""
    origin = f"jtdiag {made_by['jtdiag']}, study {folder.name}{date}"
    drawn = bars(folder)
    behind = {folder.resolve().name: schemes.numbers(drawn)}
    return save(lambda: schemes.draw(drawn), folder, FIGURE, origin, output=output, behind=behind)
