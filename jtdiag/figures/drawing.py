"""From runs to figure files: PDF for print and PNG for the screen."""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from jtdiag import figures, result
from jtdiag.errors import StoreError
from jtdiag.figures import style
from jtdiag.store import Run

FOLDER = "figures"


def plot(run: Run, name: str, *others: Run) -> list[Path]:
    """Draw one figure of a run; return the files written, ``figures/<name>.pdf`` and ``.png``.

    Args:
        run: The files go into its folder.
        name: Of the figure.
        others: Further runs, for a figure that compares runs; any other leaves them out.

    Raises:
        ProbeError: if there is no such figure, or the result holds nothing to draw.
        StoreError: if the probe that it needs has not been asked, or the disk refuses.
    """
    drawing = figures.find(name)
    runs = [run, *others] if drawing.compares else [run]
    found = [result.load(one, drawing.needs) for one in runs]
    origin = "; ".join(
        f"jtdiag {f.attrs['jtdiag']}, recipe {f.attrs['recipe_hash']}" for f in found
    )
    if not drawing.compares:
        return save(lambda: drawing.draw(found[0]), run.path, name, origin)
    labelled = list(zip((one.path.resolve().name for one in runs), found, strict=True))
    return save(lambda: drawing.draw(labelled), run.path, name, origin)


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
