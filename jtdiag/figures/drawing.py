"""From runs to figure files, for print and for the screen, and the numbers behind them."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import xarray as xr
from matplotlib.figure import Figure

from jtdiag import figures
from jtdiag.errors import ProbeError, StoreError, nearest
from jtdiag.figures import numbers, style, venues
from jtdiag.figures.eps import make_opaque
from jtdiag.probing import results as result
from jtdiag.recipe.labels import labels
from jtdiag.store.run import Run

FOLDER = "figures"
FORMATS = ("pdf", "png", "svg", "eps", "pgf")
TEX = ("pdflatex", "xelatex", "lualatex")
"""Programs of which PGF needs one, to measure text."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """What is written of a figure, and where."""

    style: str = venues.DEFAULT
    """Name of a venue."""
    formats: tuple[str, ...] = ("pdf", "png")
    dpi: int | None = None
    """Of a PNG and of what is drawn as pixels; None for the venue's."""
    data: str = ""
    """"csv" or "nc" for the numbers as well."""
    folder: Path | None = None
    """None for ``figures`` in the run's folder."""

    def __post_init__(self) -> None:
        """Refuse what cannot be written, in one line.

        Raises:
            ProbeError: if a style or a format is not known, or PGF lacks LaTeX.
        """
        venues.find(self.style)
        for ending in self.formats:
            if ending not in FORMATS:
                raise ProbeError(
                    f"There is no format '{ending}'.{nearest(ending, FORMATS)} "
                    f"Formats: {', '.join(FORMATS)}."
                )
        if "pgf" in self.formats and not _tex():
            raise ProbeError(
                "PGF needs LaTeX to measure text, and none is found. Install one of "
                f"{', '.join(TEX)}, or take another format, such as pdf."
            )


DEFAULT = Output()


def _tex() -> str:
    """Return the first LaTeX that is installed, or nothing."""
    return next((program for program in TEX if shutil.which(program)), "")


def plot(run: Run, name: str, *others: Run, output: Output = DEFAULT) -> list[Path]:
    """Draw one figure of a run; return the files written, ``figures/<name>.pdf`` and so on.

    Args:
        run: The files go into its folder.
        name: Of the figure.
        others: Further runs, for a figure that compares runs; any other leaves them out.
        output: What is written, and where.

    Raises:
        ProbeError: if there is no such figure, or the result holds nothing to draw.
        StoreError: if the probe that it needs has not been asked, or the disk refuses.
    """
    drawing = figures.find(name)
    runs = [run, *others] if drawing.compares else [run]
    return draw_results(runs, drawing, [_load(one, drawing) for one in runs], output)


def draw_results(
    runs: list[Run], drawing: figures.Drawing, found: list[xr.Dataset], output: Output = DEFAULT
) -> list[Path]:
    """Draw a figure of results at hand, one for each run, as `plot` does of those on disk."""
    folders = [one.path.resolve().name for one in runs]
    called = labels([one.recipe for one in runs], folders)
    given: Any = list(zip(called, found, strict=True)) if drawing.compares else found[0]
    origin = "; ".join(map(_origin, found))
    shown = [f[list(drawing.uses)].assign_attrs(f.attrs) for f in found]
    return save(
        lambda: drawing.draw(given),
        runs[0].path,
        drawing.name,
        origin,
        output=output,
        behind=dict(zip(called, shown, strict=True)),
    )


def _load(run: Run, drawing: figures.Drawing) -> xr.Dataset:
    """Return the result that a figure is drawn from, if it is all there."""
    found = result.load(run, drawing.needs)
    missing = [name for name in drawing.uses if name not in found]
    if missing:
        raise ProbeError(
            f"The result '{drawing.needs}' of {run.path} is of an older jtdiag and has no "
            f"'{missing[0]}'. Renew it: jtdiag probe {run.path} {drawing.needs}"
        )
    return found


def _origin(found: xr.Dataset) -> str:
    """Return what a result was made by, from and when."""
    date = f", {found.attrs['date']}" if "date" in found.attrs else ""
    return f"jtdiag {found.attrs['jtdiag']}, recipe {found.attrs['recipe_hash']}{date}"


def save(
    draw: Callable[[], Figure],
    folder: Path,
    name: str,
    origin: str,
    *,
    output: Output = DEFAULT,
    behind: dict[str, xr.Dataset] | None = None,
) -> list[Path]:
    """Draw in our style and write the files; return their paths.

    Args:
        draw: Makes the figure.
        folder: A run's or a study's; the files go into ``figures`` in it.
        name: Of the files, without ending.
        origin: What the figure was made from, for the files' metadata.
        output: What is written, and where else.
        behind: The numbers behind the figure, by run.

    Raises:
        StoreError: if the disk refuses.
    """
    target = output.folder or folder / FOLDER
    try:
        target.mkdir(parents=output.folder is not None, exist_ok=True)
        with style.of(output.style) as venue, mpl.rc_context({"pgf.texsystem": _tex() or TEX[0]}):
            mpl.rcParams["savefig.dpi"] = output.dpi or venue.dpi
            figure = draw()
            paths = [target / f"{name}.{ending}" for ending in output.formats]
            # The last, since it changes the figure.
            for path in sorted(paths, key=lambda path: path.suffix == ".eps"):
                _write(figure, path, origin)
        if output.data and behind:
            paths.append(target / f"{name}.{output.data}")
            numbers.write(behind, paths[-1], name, origin)
        if "pgf" in output.formats:
            paths += sorted(target.glob(f"{name}-img*.png"))  # which the .pgf takes in
    except OSError as error:
        raise StoreError(f"{target}: cannot be written: {error}.") from error
    return paths


def _write(figure: Figure, path: Path, origin: str) -> None:
    """Write one file, with its origin but without the time: its bytes depend on no clock."""
    ending = path.suffix[1:]
    if ending == "eps":
        make_opaque(figure)
    metadata: Any = {
        "pdf": {"Title": path.stem, "Subject": origin, "CreationDate": None},
        "png": {"Title": path.stem, "Description": origin},
        "svg": {"Title": path.stem, "Description": origin, "Date": None},
        "eps": {"Creator": origin},
    }.get(ending, {})
    if metadata:
        figure.savefig(path, metadata=metadata)
    else:  # PGF takes none
        figure.savefig(path)
    if ending == "eps":
        timeless = re.sub(rb"(?m)^%%CreationDate: .*\n", b"", path.read_bytes())
        path.write_bytes(timeless)
    if ending == "pgf":
        # matplotlib writes the command and leaves its definition to the document.
        head = f"%% {origin}\n\\providecommand{{\\mathdefault}}[1]{{#1}}%\n"
        path.write_text(head + path.read_text("utf-8"), "utf-8")
