"""Run a study: train and probe its runs one after another, and plot them side by side."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from jtdiag import files
from jtdiag.engine.progress import Listener
from jtdiag.engine.stopping import StopRequest
from jtdiag.engine.train import train
from jtdiag.errors import ProbeError, StoreError
from jtdiag.figures.contract import OtherRunsError
from jtdiag.figures.drawing import DEFAULT, FOLDER, Output, plot as plot_runs, save
from jtdiag.figures.kinds import schemes
from jtdiag.probing import results
from jtdiag.probing.running import probe
from jtdiag.recipe import studies
from jtdiag.recipe.studies import FILE, Study
from jtdiag.stats import listed
from jtdiag.tables.schemes import PROBES, of_study, probed_in, runs_in, to_dataset

if TYPE_CHECKING:
    from distributed import Client

FIGURE = schemes.FIGURE.name
OF_RUNS = ("lambda-mu", "gap")
"""Figures that compare the runs of a study, if they differ in [modules]."""


def run_study(
    study: Study,
    folder: Path,
    display: Callable[[], AbstractContextManager[Listener]],
    stop: StopRequest | None = None,
    client: "Client | None" = None,
    only: Sequence[str] = (),
) -> None:
    """Train every run of a study that is not trained yet and run the probes that it needs.

    Args:
        study: The study.
        folder: Folder of the study; every run is a folder in it.
        display: Displays the training of one run.
        stop: Ends the study early when it is requested.
        client: A client of Dask whose workers train and measure lanes.
        only: Names of the runs that are trained; by default all.

    Raises:
        JtdiagError: if a run cannot be trained; epochs that are already saved are kept.
    """
    _prepare(study, folder)
    for name in only or study.runs:
        with display() as listener:
            run = train(
                study.runs[name],
                folder / name,
                resume=True,
                listener=listener,
                stop=stop,
                client=client,
            )
        if stop is not None:
            stop.between_epochs()  # requested during the last epoch
        for probe_name in PROBES:
            probe(run, probe_name, client=client)


def _prepare(study: Study, folder: Path) -> None:
    """Write the study's file into its folder; refuse a folder with other contents."""
    if studies.is_study(folder):
        differing = studies.differences(studies.read(folder / FILE), study)
        if differing:
            raise StoreError(
                f"{folder} contains another study, which differs in {', '.join(differing)}. "
                "Resume with the same study, or choose another folder with --out."
            )
        return
    files.remove_dead_drafts(folder)  # of a study that was killed while it began
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StoreError(
            f"{folder} is not empty and is not a study; choose another folder with --out."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files.write_atomically(folder / FILE, studies.to_toml(study))
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written: {error}.") from error


def plot(folder: Path, wanted: Sequence[str] = (), output: Output = DEFAULT) -> list[Path]:
    """Plot a study; return the files, such as ``figures/schemes.pdf`` and ``.png``.

    Args:
        folder: Folder of the study.
        wanted: Names of figures; without any, all that apply to its runs.
        output: Style, formats and folder of the files.

    Raises:
        ProbeError: if a figure is requested that a study has not, or that has nothing to draw.
        StoreError: if a result is missing or a file cannot be written.
    """
    others = [name for name in wanted if name not in (FIGURE, *OF_RUNS)]
    if others:
        raise ProbeError(
            f"{folder} is a study, whose figures are {listed([FIGURE, *OF_RUNS])}; to plot "
            f"{', '.join(others)}, pass the folder of one of its runs."
        )
    paths = _plot_schemes(folder, output) if not wanted or FIGURE in wanted else []
    first, *more = runs_in(folder)
    for name in wanted or OF_RUNS:
        if name in OF_RUNS:
            with nullcontext() if wanted else suppress(OtherRunsError):
                to = output if output.folder else replace(output, folder=folder / FOLDER)
                paths += plot_runs(first, name, *more, output=to)
    return paths


def _plot_schemes(folder: Path, output: Output) -> list[Path]:
    """Plot the schemes of a study."""
    attrs = results.load(probed_in(folder)[0], PROBES[0]).attrs
    date = f", {attrs['date']}" if "date" in attrs else ""
    origin = f"jtdiag {attrs['jtdiag']}, study {folder.name}{date}"
    table = to_dataset(of_study(folder))
    name = folder.resolve().name
    return save(
        lambda: schemes.draw([(name, table)]),
        folder,
        FIGURE,
        origin,
        output=output,
        data={name: table},
    )
