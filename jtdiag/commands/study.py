"""jtdiag study."""

from pathlib import Path

import click


@click.command()
@click.argument("study")
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a field of every run, such as train.epochs=3, or of one, such as "
    "runs.joint.lam=0.9; repeatable.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="The study's folder [default: runs/<name>]."
)
def study(study: str, overrides: tuple[str, ...], out: Path | None) -> None:
    """Carry out STUDY, several runs that are compared: train, probe, print a table, draw it.

    STUDY is a TOML file, the name of a study that comes with jtdiag (fashion-fig2), or a
    study's folder. What is trained already is not trained again, and an interrupted study
    goes on.
    """
    from rich.console import Console
    from rich.table import Table

    from jtdiag.recipe.studies import find, is_study
    from jtdiag.tables import schemes
    from jtdiag.terminal.training import display
    from jtdiag.workflows.study import carry_out, plot

    found = find(study, overrides)
    folder = Path(study) if out is None and is_study(Path(study)) else out
    folder = folder or Path("runs") / found.name
    try:
        carry_out(found, folder, display)
    except KeyboardInterrupt:
        click.echo(
            f"\nInterrupted; every sealed epoch is safe. Go on with: jtdiag study {folder}",
            err=True,
        )
        raise SystemExit(130) from None
    table = Table(title="Error at the epoch that validation chose, mean ± s.e. over trials")
    for heading in schemes.HEADINGS:
        table.add_column(heading, justify="left" if heading == "scheme" else "right")
    for row in schemes.rows(schemes.of_study(folder)):
        table.add_row(*row)
    Console().print(table)
    click.echo("\n  ".join(["\nFigure:", *map(str, plot(folder))]))
