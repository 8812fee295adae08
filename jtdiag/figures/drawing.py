"""From a run to figure files: PDF for print and PNG for the screen."""

from pathlib import Path

import matplotlib as mpl

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
    made = []
    try:
        (run.path / FOLDER).mkdir(exist_ok=True)
        with mpl.rc_context(style.RC):
            figure = drawing.draw(found)
            for ending, metadata in (("pdf", {"CreationDate": None}), ("png", {})):
                path = run.path / FOLDER / f"{name}.{ending}"
                origin = f"jtdiag {found.attrs['jtdiag']}, recipe {found.attrs['recipe_hash']}"
                subject = "Subject" if ending == "pdf" else "Description"
                figure.savefig(path, metadata={**metadata, subject: origin})
                made.append(path)
    except OSError as error:
        raise StoreError(f"{run.path / FOLDER}: cannot be written: {error}.") from error
    return made
