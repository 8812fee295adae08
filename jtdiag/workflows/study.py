"""Carrying out a study: its runs one after another, and what they come to, side by side."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from jtdiag.engine.progress import Listener
from jtdiag.engine.train import train
from jtdiag.errors import ProbeError, StoreError
from jtdiag.figures.drawing import DEFAULT, Output, save
from jtdiag.figures.kinds import schemes
from jtdiag.files import write_atomically
from jtdiag.probing import results
from jtdiag.probing.running import probe
from jtdiag.recipe import studies
from jtdiag.recipe.studies import FILE, Study
from jtdiag.store.run import Run
from jtdiag.tables.schemes import PROBES, of_study, to_dataset

FIGURE = schemes.FIGURE.name


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
        for asked in PROBES:
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
    made_by = results.load(one, PROBES[0]).attrs
    date = f", {made_by['date']}" if "date" in made_by else ""
    origin = f"jtdiag {made_by['jtdiag']}, study {folder.name}{date}"
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
