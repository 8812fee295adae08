"""jtdiag plot."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from jtdiag.figures.contract import FigureKind
    from jtdiag.figures.drawing import Output
    from jtdiag.store.run import Run


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("more", metavar="[RUN]... [FIGURE]...", nargs=-1)
@click.option(
    "--style",
    metavar="NAME",
    default="lncs",
    show_default=True,
    help="Venue: lncs, neurips, iclr, icml, icml-wide, ieee, ieee-wide, nature, nature-wide or "
    "slides.",
)
@click.option(
    "--format",
    "formats",
    metavar="F,F,…",
    default="pdf,png",
    show_default=True,
    help="Of pdf, png, svg, eps and pgf.",
)
@click.option("--dpi", type=click.IntRange(min=30), help="Of pixels [default: the venue's].")
@click.option("--data", type=click.Choice(["csv", "nc"]), help="Write the numbers as well.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder [default: RUN/figures].")
@click.option("--watch", is_flag=True, help="Draw again whenever the run has come further.")
def plot(
    run: Path,
    more: tuple[str, ...],
    style: str,
    formats: str,
    dpi: int | None,
    data: str | None,
    out: Path | None,
    watch: bool,
) -> None:
    """Draw figures of the runs, or of the study, in folders RUN.

    FIGURE is the name of one, such as errors-by-epoch (the manual lists them, and so does a
    wrong name); default: all that can be drawn. Figures that compare runs go to the first
    run's folder. A study has one figure, schemes.
    """
    from jtdiag.figures import FIGURES
    from jtdiag.figures.drawing import Output
    from jtdiag.recipe import studies

    output = Output(
        style=style, formats=tuple(formats.split(",")), dpi=dpi, data=data or "", folder=out
    )
    if studies.is_study(run):
        from jtdiag.workflows.study import plot as draw_study

        click.echo("\n".join(map(str, draw_study(run, more, output))))
        return
    names = [name for name in more if not Path(name).is_dir()]
    wanted = [FIGURES.find(name) for name in names or FIGURES.names()]
    others = [Path(name) for name in more if Path(name).is_dir()]
    if watch:
        _watch(run, others, wanted, output)
    else:
        _plot(run, others, wanted, output, named=bool(names))


def _plot(
    run: Path, others: list[Path], wanted: "list[FigureKind]", output: "Output", *, named: bool
) -> None:
    """Draw what is wanted; by default leave out, and say so, what was not asked yet."""
    from jtdiag.store.run import Run

    runs = [Run(run), *map(Run, others)]
    asked = [drawing for drawing in wanted if _measured(runs[0], drawing.needs)]
    for drawing in wanted:
        if not named and asked and drawing not in asked:
            click.echo(f"{drawing.name}: left out. Its probe is {drawing.needs}, not asked yet.")
            continue
        for one in runs:
            _say_if_stale(one, drawing)
        for drawn in [runs] if drawing.compares else [[one] for one in runs]:
            _draw(drawn, drawing.name, _place(output, drawn, runs), named=named)


def _place(output: "Output", drawn: "list[Run]", runs: "list[Run]") -> "Output":
    """Give each of several runs a folder of its own within the one that is named."""
    from dataclasses import replace

    if output.folder is None or len(drawn) == len(runs):
        return output
    return replace(output, folder=output.folder / drawn[0].path.resolve().name)


def _draw(runs: "list[Run]", name: str, output: "Output", *, named: bool) -> None:
    """Draw a figure and name its files; leave out, unless it is named, what cannot be drawn."""
    from jtdiag.errors import ProbeError
    from jtdiag.figures.drawing import plot as draw

    try:
        for path in draw(runs[0], name, *runs[1:], output=output):
            click.echo(path)
    except ProbeError as error:  # the run holds nothing for this figure
        if named:
            raise
        click.echo(f"{name}: left out. {error}")


def _watch(run: Path, others: list[Path], wanted: "list[FigureKind]", output: "Output") -> None:
    """Draw again after every sealed epoch, until the run ends."""
    from jtdiag.watch import wait_for
    from jtdiag.workflows.live_plot import redraw

    if others:
        raise click.UsageError("--watch follows one run; name one.")
    for event in redraw(wait_for(run), wanted, output):
        click.echo(event)


def _measured(run: "Run", probe: str) -> bool:
    """Tell whether a probe's result is there."""
    from jtdiag.probing import results as result

    return result.path_of(run, probe).exists()


def _say_if_stale(run: "Run", drawing: "FigureKind") -> None:
    """Say so where a figure will be drawn from an older result."""
    from jtdiag.probing import results as result
    from jtdiag.probing.registry import PROBES

    needs = drawing.needs
    if result.path_of(run, needs).exists() and not result.is_fresh(run, PROBES.find(needs)):
        click.echo(
            f"{drawing.name}: drawn from an older result; jtdiag probe {run.path} {needs} renews it"
        )
