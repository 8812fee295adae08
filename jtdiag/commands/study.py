"""jtdiag study."""

import os
from pathlib import Path

import click

from jtdiag.printable import shell_word
from jtdiag.terminal.echo import echo
from jtdiag.terminal.signals import grace_option


@click.command()
@click.argument("study")
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a recipe field of all runs, such as train.epochs=3, or of one run, such as "
    "runs.joint.lam=0.9; repeatable.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Study folder [default: runs/<name>].")
@grace_option
def study(study: str, overrides: tuple[str, ...], out: Path | None, grace: float) -> None:
    """Train, probe and compare the runs of a study.

    STUDY is a TOML file, the name of a built-in study (credit-convnet, credit-digits,
    credit-fashion, fashion-fig2, map-digits), or a study folder. Prints a table of the errors and
    plots them. Runs that are already trained are skipped; an interrupted study is resumed.
    """
    from jtdiag.terminal.signals import stoppable

    folder = Path(study) if out is None and os.path.isfile(Path(study) / "study.toml") else out

    def message() -> str:
        from jtdiag.engine import wording

        started = folder is not None and os.path.exists(folder)
        return wording.interrupted(f"jtdiag study {shell_word(folder)}", started=started)

    with stoppable(grace, message) as stop:  # before imports that take seconds
        from jtdiag.recipe.studies import find
        from jtdiag.terminal.training import display
        from jtdiag.workflows.study import run_study

        definition = find(study, overrides)
        folder = folder or Path("runs") / definition.name
        run_study(definition, folder, display, stop)
    _print(folder)


def _print(folder: Path) -> None:
    """Print the table of a study and plot it."""
    from rich.table import Table
    from rich.text import Text

    from jtdiag.tables import schemes
    from jtdiag.terminal import wording
    from jtdiag.terminal.console import Console
    from jtdiag.workflows.study import plot

    table = Table(title=wording.error_table_title())
    for heading in schemes.HEADINGS:
        table.add_column(heading, justify="left" if heading == "scheme" else "right")
    for row in schemes.rows(schemes.of_study(folder)):
        table.add_row(*map(Text, row))
    Console().print(table)
    echo(f"\n{wording.files(plot(folder))}")
