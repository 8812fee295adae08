"""jtdiag table."""

from pathlib import Path

import click

from jtdiag.terminal.echo import echo
from jtdiag.terminal.run_path import RUN


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=RUN)
@click.option(
    "--of",
    "contents",
    type=click.Choice(["errors", "configurations"]),
    default="errors",
    show_default=True,
    help="Test errors by λ and training scheme, or members and their parameters.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["latex", "markdown", "csv"]),
    default="latex",
    show_default=True,
    help="Output format.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Output file [default: stdout].")
def table(runs: tuple[Path, ...], contents: str, form: str, out: Path | None) -> None:
    """Print a table of one or more runs or studies.

    The table has one row per run. Errors are means with standard errors over trials; the lowest
    mean of each row is bold. The LaTeX table requires the packages booktabs and siunitx.
    """
    from jtdiag.errors import StoreError
    from jtdiag.files import write_atomically
    from jtdiag.store.run_parts import refuse_part_of_run
    from jtdiag.tables.registry import TABLES
    from jtdiag.tables.schemes import runs_in
    from jtdiag.tables.table import FORMATS
    from jtdiag.terminal.lanes import print_lanes

    if out is not None:
        refuse_part_of_run(out)
    text = FORMATS[form](TABLES[contents](runs))
    print_lanes([run for folder in runs for run in runs_in(folder)], err=True)
    if out is None:
        echo(text, nl=False)
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, text)
    except OSError as error:
        raise StoreError(f"{out}: cannot be written: {error.strerror}.") from error
    echo(out)
