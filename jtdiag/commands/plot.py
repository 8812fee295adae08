"""jtdiag plot."""

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("names", metavar="[FIGURE]...", nargs=-1)
def plot(run: Path, names: tuple[str, ...]) -> None:
    """Draw figures of the run, or of the study, in folder RUN, as PDF and PNG.

    FIGURE is error-against-lambda, errors-by-epoch or error-by-combiner; default: all.
    A study has one figure, schemes.
    """
    from jtdiag import figures, result, study_file
    from jtdiag.figures.drawing import plot as draw
    from jtdiag.registry import load_probe
    from jtdiag.store import Run

    if study_file.is_study(run):
        from jtdiag.study import plot as draw_study

        click.echo("\n".join(map(str, draw_study(run, names))))
        return
    opened = Run(run)
    for name in names or figures.FIGURES:
        needs = figures.find(name).needs
        if result.path_of(opened, needs).exists() and not result.is_fresh(
            opened, load_probe(needs)
        ):
            click.echo(f"{name}: drawn from an older result; jtdiag probe {run} {needs} renews it")
        for path in draw(opened, name):
            click.echo(path)
