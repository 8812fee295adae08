"""jtdiag plot."""

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("names", metavar="[FIGURE]...", nargs=-1)
def plot(run: Path, names: tuple[str, ...]) -> None:
    """Draw figures of the run in folder RUN, as PDF and PNG.

    FIGURE is error-against-lambda, errors-by-epoch or error-by-combiner; default: all.
    """
    from jtdiag import figures, result
    from jtdiag.figures.drawing import plot as draw
    from jtdiag.registry import load_probe
    from jtdiag.store import Run

    opened = Run(run)
    for name in names or figures.FIGURES:
        needs = figures.find(name).needs
        if result.path_of(opened, needs).exists() and not result.is_fresh(
            opened, load_probe(needs)
        ):
            click.echo(f"{name}: drawn from an older result; jtdiag probe {run} {needs} renews it")
        for path in draw(opened, name):
            click.echo(path)
