"""Draw figures of runs and write them to files, with the numbers behind them if requested."""

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from jtdiag import files, names
from jtdiag.errors import ProbeError, StoreError, nearest
from jtdiag.figures import FIGURES, numbers, style, venues
from jtdiag.figures.contract import FigureKind
from jtdiag.figures.eps import make_opaque
from jtdiag.figures.labels import drawable
from jtdiag.figures.styled_figure import fix_layout
from jtdiag.objects import mirror
from jtdiag.printable import shell_word
from jtdiag.probing import results
from jtdiag.recipe.labels import labels
from jtdiag.store.run import Run
from jtdiag.store.run_parts import refuse_part_of_run

FOLDER = "figures"
FORMATS = ("pdf", "png", "svg", "eps", "pgf")
TEX = ("pdflatex", "xelatex", "lualatex")
"""LaTeX programs; PGF needs one of them to measure text."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """Style, file formats and folder of the figures that are written."""

    style: str = venues.DEFAULT
    """Name of a venue."""
    formats: tuple[str, ...] = ("pdf", "png")
    dpi: int | None = None
    """Resolution of PNGs and of rasterized parts; None for the default of the venue."""
    data: str = ""
    """"csv" or "nc" to write the numbers as well."""
    folder: Path | None = None
    """None for the subfolder ``figures`` of the run."""

    def __post_init__(self) -> None:
        """Check style and formats.

        Raises:
            ProbeError: if there is no such style or format, or PGF is requested without LaTeX.
        """
        venues.find(self.style)
        for file_format in self.formats:
            if file_format not in FORMATS:
                raise ProbeError(
                    f"There is no format '{file_format}'.{nearest(file_format, FORMATS)} "
                    f"Formats: {', '.join(FORMATS)}."
                )
        if "pgf" in self.formats and not _tex():
            raise ProbeError(
                "PGF needs LaTeX to measure text, and LaTeX was not found. Install one of "
                f"{', '.join(TEX)}, or choose another format, such as pdf."
            )


DEFAULT = Output()


def _tex() -> str:
    """Return the first LaTeX program that is installed, or an empty string."""
    return next((program for program in TEX if shutil.which(program)), "")


def plot(run: Run, name: str, *others: Run, output: Output = DEFAULT) -> list[Path]:
    """Draw a figure of a run from the stored result of its probe.

    Args:
        run: The run; by default, the files are written to ``figures`` in its folder.
        name: Name of the figure.
        others: Further runs; ignored by figures that show a single run.
        output: Style, formats and folder.

    Returns:
        The files written, such as ``figures/<name>.pdf``.

    Raises:
        ProbeError: if there is no such figure, or the result contains nothing to draw.
        StoreError: if the probe has not been run yet, or the files cannot be written.
    """
    kind = FIGURES.find(name)
    runs = [run, *others] if kind.compares else [run]
    return draw_results(runs, kind, [_load(each, kind) for each in runs], output)


def draw_results(
    runs: list[Run], kind: FigureKind, datasets: list[xr.Dataset], output: Output = DEFAULT
) -> list[Path]:
    """Draw a figure from results in memory, one for each run; otherwise the same as `plot`."""
    folders = [run.path.resolve().name for run in runs]
    run_names = labels([run.recipe for run in runs], folders)
    return save(
        lambda: kind.draw(list(zip(drawable(run_names), datasets, strict=True))),
        runs[0].path,
        kind.name,
        "; ".join(map(_origin, datasets)),
        output=output,
        data={n: _shown(d, kind) for n, d in zip(run_names, datasets, strict=True)},
        lams=[float(lam) for d in datasets if names.LAM in d for lam in np.ravel(d[names.LAM])],
    )


def _shown(result: xr.Dataset, kind: FigureKind) -> xr.Dataset:
    """Return the variables of a result that a figure draws."""
    optional = [name for name in kind.optional if name in result]
    return result[[*kind.uses, *optional]].assign_attrs(result.attrs)


def _load(run: Run, kind: FigureKind) -> xr.Dataset:
    """Return the stored result for a figure, after checking that it has all variables."""
    result = results.load(run, kind.needs)
    missing = [name for name in kind.uses if name not in result]
    if missing:
        raise ProbeError(
            f"The result '{kind.needs}' of {run.path} was computed by an older version of jtdiag "
            f"and has no '{missing[0]}'. Recompute it: jtdiag probe {shell_word(run.path)} "
            f"{kind.needs}"
        )
    return result


def _origin(result: xr.Dataset) -> str:
    """Return the version of jtdiag, the recipe and the date of a result."""
    date = f", {result.attrs['date']}" if "date" in result.attrs else ""
    return f"jtdiag {result.attrs['jtdiag']}, recipe {result.attrs['recipe_hash']}{date}"


def save(
    draw: Callable[[], Figure],
    folder: Path,
    name: str,
    origin: str,
    *,
    output: Output = DEFAULT,
    data: dict[str, xr.Dataset] | None = None,
    lams: Sequence[float] = (),
) -> list[Path]:
    """Draw a figure in the style of a venue, and write its files.

    Args:
        draw: Function that returns the figure.
        folder: Folder of a run or a study; by default, the files go to ``figures`` in it.
        name: Name of the files, without suffix.
        origin: What the figure was made from, for the metadata of the files.
        output: Style, formats and folder.
        data: The numbers that are drawn, by run.
        lams: λs that are drawn.

    Returns:
        The files written.

    Raises:
        StoreError: if the files cannot be written, or the folder is a part of a run.
    """
    target = output.folder or folder / FOLDER
    refuse_part_of_run(target)
    try:
        target.mkdir(parents=output.folder is not None, exist_ok=True)
        tex: dict[Any, str] = {"pgf.texsystem": _tex() or TEX[0]}
        with style.of(output.style, lams) as venue, mpl.rc_context(tex):
            mpl.rcParams["savefig.dpi"] = output.dpi or venue.dpi
            figure = draw()
            fix_layout(figure, mpl.rcParams["savefig.dpi"])
            paths = [target / f"{name}.{suffix}" for suffix in output.formats]
            # EPS last, because it changes the figure.
            for path in sorted(paths, key=lambda path: path.suffix == ".eps"):
                _write(figure, path, origin)
        if output.data and data:
            paths.append(target / f"{name}.{output.data}")
            numbers.write(data, paths[-1], name, origin)
        if "pgf" in output.formats:
            paths += sorted(target.glob(f"{name}-img*.png"))  # included by the .pgf
        mirror.publish(*paths)
    except OSError as error:
        raise StoreError(f"{target}: cannot be written: {error.strerror or error}.") from error
    return paths


def _write(figure: Figure, path: Path, origin: str) -> None:
    """Write one file with its origin but no time stamp, so that it is reproducible."""
    suffix = path.suffix[1:]
    if suffix == "eps":
        make_opaque(figure)
    metadata: Any = {
        "pdf": {"Title": path.stem, "Subject": origin, "CreationDate": None},
        "png": {"Title": path.stem, "Description": origin},
        "svg": {"Title": path.stem, "Description": origin, "Date": None},
        "eps": {"Creator": origin},
    }.get(suffix, {})
    if suffix == "pgf":  # names its images after the file, and supports no metadata
        figure.savefig(path)
        # matplotlib uses this command without defining it.
        head = f"%% {origin}\n\\providecommand{{\\mathdefault}}[1]{{#1}}%\n"
        files.write_atomically(path, head + path.read_text("utf-8"))
        return
    with files.replacing(path) as draft:
        figure.savefig(draft, format=suffix, metadata=metadata)
        if suffix == "eps":
            content = re.sub(rb"(?m)^%%CreationDate: .*\n", b"", draft.read_bytes())
            draft.write_bytes(content)
