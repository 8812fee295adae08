"""Run a study: train and probe its runs one after another, and plot them side by side."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from jtdiag import files
from jtdiag.engine.progress import Listener
from jtdiag.engine.stopping import StopRequest
from jtdiag.engine.train import train
from jtdiag.errors import ProbeError, StoreError
from jtdiag.figures.drawing import DEFAULT, Output, save
from jtdiag.figures.kinds import schemes
from jtdiag.probing import results
from jtdiag.probing.running import probe
from jtdiag.recipe import studies
from jtdiag.recipe.studies import FILE, Study
from jtdiag.store.run import Run
from jtdiag.tables.schemes import PROBES, of_study, to_dataset

FIGURE = schemes.FIGURE.name


def run_study(
    study: Study,
    folder: Path,
    display: Callable[[], AbstractContextManager[Listener]],
    stop: StopRequest | None = None,
) -> None:
    """Train every run of a study that is not trained yet and run the probes that it needs.

    Args:
        study: The study.
        folder: Folder of the study; every run is a folder in it.
        display: Displays the training of one run.
        stop: Ends the study early when it is requested.

    Raises:
        JtdiagError: if a run cannot be trained; epochs that are already saved are kept.
    """
    _prepare(study, folder)
    for name, recipe in study.runs.items():
        with display() as listener:
            run = train(recipe, folder / name, resume=True, listener=listener, stop=stop)
        if stop is not None:
            stop.between_epochs()  # requested during the last epoch
        for probe_name in PROBES:
            probe(run, probe_name)


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
    """Plot the schemes of a study; return the files, ``figures/schemes.pdf`` and ``.png``.

    Args:
        folder: Folder of the study.
        wanted: Names of figures; a study has only one.
        output: Style, formats and folder of the files.

    Raises:
        ProbeError: if another figure is requested.
        StoreError: if a result is missing or a file cannot be written.
    """
    if {*wanted} - {FIGURE}:
        raise ProbeError(
            f"{folder} is a study, whose only figure is '{FIGURE}'; to plot "
            f"{', '.join(wanted)}, pass the folder of one of its runs."
        )
    first = Run(folder / next(iter(studies.read(folder / FILE).runs)))
    attrs = results.load(first, PROBES[0]).attrs
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
