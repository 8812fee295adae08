"""jtdiag plot."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from jtdiag.figures import Drawing
    from jtdiag.store import Run


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("more", metavar="[RUN]... [FIGURE]...", nargs=-1)
def plot(run: Path, more: tuple[str, ...]) -> None:
    """Draw figures of the runs, or of the study, in folders RUN, as PDF and PNG.

    FIGURE is the name of one, such as errors-by-epoch (the manual lists them, and so does a
    wrong name); default: all that can be drawn. Figures that compare runs go to the first
    run's folder. A study has one figure, schemes.
    """
    from jtdiag import figures, study_file
    from jtdiag.store import Run

    if study_file.is_study(run):
        from jtdiag.study import plot as draw_study

        click.echo("\n".join(map(str, draw_study(run, more))))
        return
    runs = [Run(run), *(Run(name) for name in more if Path(name).is_dir())]
    names = [name for name in more if not Path(name).is_dir()]
    wanted = [figures.find(name) for name in names or figures.FIGURES]
    asked = [drawing for drawing in wanted if _measured(runs[0], drawing.needs)]
    for drawing in wanted:
        if not names and asked and drawing not in asked:
            click.echo(f"{drawing.name}: left out. Its probe is {drawing.needs}, not asked yet.")
            continue
        for one in runs:
            _say_if_stale(one, drawing)
        for drawn in [runs] if drawing.compares else [[one] for one in runs]:
            _draw(drawn, drawing.name, named=bool(names))


def _draw(runs: "list[Run]", name: str, *, named: bool) -> None:
    """Draw a figure and name its files; leave out, unless it is named, what cannot be drawn."""
    from jtdiag.errors import ProbeError
    from jtdiag.figures.drawing import plot as draw

    try:
        for path in draw(runs[0], name, *runs[1:]):
            click.echo(path)
    except ProbeError as error:  # the run holds nothing for this figure
        if named:
            raise
        click.echo(f"{name}: left out. {error}")


def _measured(run: "Run", probe: str) -> bool:
    """Tell whether a probe's result is there."""
    from jtdiag import result

    return result.path_of(run, probe).exists()


def _say_if_stale(run: "Run", drawing: "Drawing") -> None:
    """Say so where a figure will be drawn from an older result."""
    from jtdiag import result
    from jtdiag.registry import load_probe

    needs = drawing.needs
    if result.path_of(run, needs).exists() and not result.is_fresh(run, load_probe(needs)):
        click.echo(
            f"{drawing.name}: drawn from an older result; jtdiag probe {run.path} {needs} renews it"
        )
