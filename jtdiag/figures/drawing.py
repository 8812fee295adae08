"""From a run to figure files: PDF for print and PNG for the screen."""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from jtdiag import figures, result
from jtdiag.errors import StoreError
from jtdiag.figures import style
from jtdiag.store import Run

FOLDER = "figures"


def plot(run: Run, name: str) -> list[Path]:
    """Draw one figure of a run; return the files written, ``figures/<name>.pdf`` and ``.png``.

    Raises:
        ProbeError: if there is no such figure.
        StoreError: if the probe that it needs has not been asked, or the disk refuses.
    """
    drawing = figures.find(name)
    found = result.load(run, drawing.needs)
    origin = f"jtdiag {found.attrs['jtdiag']}, recipe {found.attrs['recipe_hash']}"
    return save(lambda: drawing.draw(found), run.path, name, origin)


def save(draw: Callable[[], Figure], folder: Path, name: str, origin: str) -> list[Path]:
    """Draw in our style and write the files into a folder's ``figures``; return their paths.

    Args:
        draw: Makes the figure.
        folder: A run's or a study's.
        name: Of the files, without ending.
        origin: What the figure was made from, for the files' metadata.

    Raises:
        StoreError: if the disk refuses.
    """
    made = []
    try:
        (folder / FOLDER).mkdir(exist_ok=True)
        with mpl.rc_context(style.RC):
            figure = draw()
            for ending, metadata in (("pdf", {"CreationDate": None}), ("png", {})):
                path = folder / FOLDER / f"{name}.{ending}"
                subject = "Subject" if ending == "pdf" else "Description"
                figure.savefig(path, metadata={**metadata, subject: origin})
                made.append(path)
    except OSError as error:
        raise StoreError(f"{folder / FOLDER}: cannot be written: {error}.") from error
    return made
