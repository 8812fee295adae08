"""Every figure for the manual's gallery: of runs at hand, and of a small study of the build's.

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
from jtdiag import figures
from jtdiag.engine.progress import Silent
from jtdiag.errors import JtdiagError
from jtdiag.figures import drawing
from jtdiag.figures.drawing import Output
from jtdiag.figures.kinds import schemes
from jtdiag.probing import results
from jtdiag.probing.running import probe
from jtdiag.recipe import studies
from jtdiag.store.run import Run
from jtdiag.workflows import study

STUDY = Path(__file__).with_name("gallery.toml")
OF_ALL_FIGURES = "joint"
"""The run of that study which every figure but `schemes` is drawn of."""
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
"""Figures in the order of Webb et al. 2020, with their numbers there."""
NAMES = tuple(dict.fromkeys((*dict(OF_THE_PAPER), *figures.FIGURES)))
"""All figures, in the order of the gallery."""
QUALITIES = ((150, 256), (150, 32), (120, 32), (100, 32), (80, 32))
"""Dots per inch and levels of each colour, in the order in which they are tried."""
LARGEST = 60_000
"""Bytes of an image, beyond which the next quality is tried."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A figure of the gallery."""

    name: str
    image: Path | None
    """None where it could not be drawn."""
    why_not: str = ""
    """What is missing then, in one line."""


def caption(name: str) -> str:
    """Return the first sentence of a figure's docstring."""
    text = (schemes.__doc__ or "") if name == study.FIGURE else figures.find(name).caption
    return text.partition("\n")[0]


def draw(runs: Sequence[Run], of_study: Path | None, out: Path) -> list[Drawn]:
    """Draw all figures as small PNGs into a folder.

    Args:
        runs: A figure that compares runs shows all that were probed for it; any other the first.
        of_study: Folder of a study, for `schemes`.
        out: The PNGs' folder; it is made.
    """
    return [
        _of_study(of_study, out) if name == study.FIGURE else _of_runs(runs, name, out)
        for name in NAMES
    ]


def _of_study(folder: Path | None, out: Path) -> Drawn:
    if folder is None:
        return Drawn(name=study.FIGURE, image=None, why_not="It is drawn of a study.")
    return _try(study.FIGURE, out, lambda output: study.plot(folder, output=output))


def _of_runs(runs: Sequence[Run], name: str, out: Path) -> Drawn:
    needs = figures.find(name).needs
    asked = [run for run in runs if results.path_of(run, needs).exists()]
    if not asked:
        return Drawn(name=name, image=None, why_not=f"Its probe, {needs}, was not asked.")
    return _try(name, out, lambda output: drawing.plot(asked[0], name, *asked[1:], output=output))


def _try(name: str, out: Path, make: Callable[[Output], list[Path]]) -> Drawn:
    """Return what was drawn, small enough, or the line that says what is missing."""
    try:
        for dpi, levels in QUALITIES:
            [image] = make(Output(formats=("png",), dpi=dpi, folder=out))
            _few_colours(image, levels)
            if image.stat().st_size <= LARGEST:
                break
    except JtdiagError as error:
        return Drawn(name=name, image=None, why_not=str(error))
    return Drawn(name=name, image=image)


def _few_colours(path: Path, levels: int) -> None:
    """Write a PNG again with a palette, at a third of its size; its origin stays in it."""
    last = levels - 1
    even = [round(round(value * last / 255) * 255 / last) for value in range(256)]
    with Image.open(path) as image:
        kept = PngInfo()
        for key, text in image.info.items():
            if isinstance(text, str):
                kept.add_itxt(key, text)
        few = image.convert("RGB").point(3 * even).quantize(256, dither=Image.Dither.NONE)
    few.save(path, optimize=True, pnginfo=kept)


def small(folder: Path, probes: Sequence[str] | None = None) -> list[Drawn]:
    """Carry out the small study, ask the probes and draw all figures into ``images``.

    Args:
        folder: What was done in it before is not done again.
        probes: Names of those to ask; None for all that figures need.
    """
    made = folder / "study"
    study.run_study(studies.read(STUDY), made, lambda: nullcontext(Silent()))
    run = Run(made / OF_ALL_FIGURES)
    needed = dict.fromkeys(figures.find(name).needs for name in figures.FIGURES)
    for name in needed if probes is None else probes:
        probe(run, name)
    return draw([run], made, folder / "images")


def built_page(build: Path) -> str:
    """Return the figures of the small study as Markdown; they are made once for each version.

    Args:
        build: Where built things lie, below the folder of the page.
    """
    recipe = studies.to_toml(studies.read(STUDY))
    key = hashlib.sha256(recipe.encode()).hexdigest()[:8]
    folder = build / "gallery" / f"{jtdiag.__version__}-{key}"
    page = folder / "page.md"
    if not page.exists():
        page.write_text("\n".join(_sections(small(folder), build.parent)), "utf-8")
    return page.read_text("utf-8")


def _sections(drawn: Sequence[Drawn], origin: Path) -> Iterator[str]:
    for one in drawn:
        yield f"\n## {one.name}\n"
        if one.image:
            where = one.image.relative_to(origin).as_posix()
            yield f"![{one.name} of the small study: {caption(one.name)}]({where})\n"
            yield caption(one.name)
        else:
            yield f"Left out: {one.why_not}"


@click.group(help="Draw the figures of the manual's gallery.")
def main() -> None:
    """Leave the work to a command."""


@main.command("real")
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--study", "of_study", type=click.Path(exists=True, path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path))
def draw_real(runs: tuple[Path, ...], of_study: Path | None, out: Path) -> None:
    """Draw all figures of RUNS, of the first where a figure shows one."""
    _tell(draw([Run(run) for run in runs], of_study, out))


@main.command("small")
@click.argument("folder", type=click.Path(path_type=Path))
def draw_small(folder: Path) -> None:
    """Carry out the small study in FOLDER and draw it."""
    _tell(small(folder))


def _tell(drawn: Sequence[Drawn]) -> None:
    for one in drawn:
        click.echo(one.image or f"{one.name}: left out. {one.why_not}")


if __name__ == "__main__":
    main()
