"""From runs to figure files: PDF for print and PNG for the screen."""

from pathlib import Path

import matplotlib as mpl

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
    made = []
    try:
        (run.path / FOLDER).mkdir(exist_ok=True)
        with mpl.rc_context(style.RC):
            labels = [one.path.resolve().name for one in runs]
            figure = (
                drawing.draw(list(zip(labels, found, strict=True)))
                if drawing.compares
                else drawing.draw(found[0])
            )
            for ending, metadata in (("pdf", {"CreationDate": None}), ("png", {})):
                path = run.path / FOLDER / f"{name}.{ending}"
                subject = "Subject" if ending == "pdf" else "Description"
                figure.savefig(path, metadata={**metadata, subject: origin})
                made.append(path)
    except OSError as error:
        raise StoreError(f"{run.path / FOLDER}: cannot be written: {error}.") from error
    return made
