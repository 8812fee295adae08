"""Draw all figures for the gallery of the manual, from existing runs or from a small study.

python docs/gallery.py real RUN... --study FOLDER --out docs/images/gallery
python docs/gallery.py small FOLDER
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import click
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import jtdiag
from jtdiag.engine.progress import NullListener
from jtdiag.errors import JtdiagError
from jtdiag.figures import FIGURES, drawing
from jtdiag.figures.drawing import Output
from jtdiag.figures.kinds import schemes
from jtdiag.probing import results
from jtdiag.probing.registry import PROBES
from jtdiag.probing.running import probe
from jtdiag.recipe import studies
from jtdiag.store.run import Run
from jtdiag.workflows import study

STUDY = Path(__file__).with_name("gallery.toml")
OF_ALL_FIGURES = "joint"
"""The run of that study from which all figures except `schemes` are drawn, if they can be."""
OF_MODULES = "local"
"""The run from which figures of members that are trained module by module are drawn."""
OF_THE_PAPER = (
    (study.FIGURE, "2"),
    ("error-against-lambda", "3"),
    ("capacity", "4"),
    ("filters", "5"),
    ("filter-norms", "5"),
    ("errors-by-epoch", "6"),
    ("members-against-lambda", "6"),
    ("accuracy-against-dropped", "7 and 8"),
    ("diversity-against-lambda", "9"),
)
"""Figures in the order of Webb et al. (2020), with their numbers in the paper."""
NAMES = tuple(dict.fromkeys((*dict(OF_THE_PAPER), *FIGURES.names())))
"""All figures, in the order of the gallery."""
QUALITIES = ((150, 256), (150, 32), (120, 32), (100, 32), (80, 32))
"""Resolution in dots per inch and levels of each color channel, tried in this order."""
LARGEST = 60_000
"""Maximum size of an image in bytes; if it is larger, the next quality is tried."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A figure in the gallery."""

    name: str
    image: Path | None
    """None if it could not be drawn."""
    reason: str = ""
    """Why it could not be drawn, in one line."""


def caption(name: str) -> str:
    """Return the first sentence of a figure's caption."""
    return (schemes.FIGURE if name == study.FIGURE else FIGURES.find(name)).title


def draw(runs: Sequence[Run], of_study: Path | None, out: Path) -> list[Entry]:
    """Draw all figures as small PNGs.

    Args:
        runs: Runs to draw. Figures that compare runs show all that have the result of their
            probe; the others show the first.
        of_study: Folder of a study, for `schemes`, `lambda-mu` and `gap`.
        out: Folder for the PNGs; it is created.
    """
    return [
        _of_study(of_study, name, out)
        if name in (study.FIGURE, *study.OF_RUNS)
        else _of_runs(runs, name, out)
        for name in NAMES
    ]


def _of_study(folder: Path | None, name: str, out: Path) -> Entry:
    if folder is None:
        return Entry(name=name, image=None, reason="It needs a study.")
    return _try(name, out, lambda output: study.plot(folder, [name], output))


def _of_runs(runs: Sequence[Run], name: str, out: Path) -> Entry:
    needs = FIGURES.find(name).needs
    probed = [run for run in runs if results.path_of(run, needs).exists()]
    if not probed:
        return Entry(name=name, image=None, reason=f"The probe {needs} has not been run.")
    return _try(name, out, lambda output: drawing.plot(probed[0], name, *probed[1:], output=output))


def _try(name: str, out: Path, make: Callable[[Output], list[Path]]) -> Entry:
    """Draw a figure at the best quality that is small enough, or say why it cannot be drawn."""
    try:
        for dpi, levels in QUALITIES:
            [image] = make(Output(formats=("png",), dpi=dpi, folder=out))
            _reduce_colors(image, levels)
            if image.stat().st_size <= LARGEST:
                break
    except JtdiagError as error:
        return Entry(name=name, image=None, reason=str(error))
    return Entry(name=name, image=image)


def _reduce_colors(path: Path, levels: int) -> None:
    """Convert a PNG to a palette, which makes it three times smaller; its metadata is kept."""
    last = levels - 1
    even = [round(round(value * last / 255) * 255 / last) for value in range(256)]
    with Image.open(path) as image:
        metadata = PngInfo()
        for key, text in image.info.items():
            if isinstance(text, str):
                metadata.add_itxt(key, text)
        reduced = image.convert("RGB").point(3 * even).quantize(256, dither=Image.Dither.NONE)
    reduced.save(path, optimize=True, pnginfo=metadata)


def small(folder: Path, probes: Sequence[str] | None = None) -> list[Entry]:
    """Run the small study and its probes, and draw all figures into the subfolder ``images``.

    Args:
        folder: Folder of the study; what is already there is not computed again.
        probes: Names of the probes to run; None for all that the figures need.
    """
    study_folder = folder / "study"
    study.run_study(studies.read(STUDY), study_folder, lambda: nullcontext(NullListener()))
    runs = [Run(study_folder / name) for name in (OF_ALL_FIGURES, OF_MODULES)]
    needed = dict.fromkeys(kind.needs for kind in FIGURES.all())
    for name in needed if probes is None else probes:
        probe(next(run for run in runs if PROBES.find(name).applies(run)), name)
    return draw(runs, study_folder, folder / "images")


def built_page(build: Path) -> str:
    """Return the figures of the small study as Markdown, computed once per version.

    Args:
        build: Build folder, below the folder of the page.
    """
    recipe = studies.to_toml(studies.read(STUDY))
    key = hashlib.sha256(recipe.encode()).hexdigest()[:8]
    folder = build / "gallery" / f"{jtdiag.__version__}-{key}"
    page = folder / "page.md"
    if not page.exists():
        page.write_text("\n".join(_sections(small(folder), build.parent)), "utf-8")
    return page.read_text("utf-8")


def _sections(entries: Sequence[Entry], origin: Path) -> Iterator[str]:
    for entry in entries:
        yield f"\n## {entry.name}\n"
        if entry.image:
            path = entry.image.relative_to(origin).as_posix()
            yield f"![{entry.name} of the small study: {caption(entry.name)}]({path})\n"
            yield caption(entry.name)
        else:
            yield f"Not drawn: {entry.reason}"


@click.group(help="Draw the figures of the manual's gallery.")
def main() -> None:
    """Group of commands."""


@main.command("real")
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--study", "of_study", type=click.Path(exists=True, path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path))
def draw_real(runs: tuple[Path, ...], of_study: Path | None, out: Path) -> None:
    """Draw all figures of RUNS; figures of a single run show the first."""
    _report(draw([Run(run) for run in runs], of_study, out))


@main.command("small")
@click.argument("folder", type=click.Path(path_type=Path))
def draw_small(folder: Path) -> None:
    """Run the small study in FOLDER and draw its figures."""
    _report(small(folder))


def _report(entries: Sequence[Entry]) -> None:
    for entry in entries:
        click.echo(entry.image or f"{entry.name}: not drawn. {entry.reason}")


if __name__ == "__main__":
    main()
