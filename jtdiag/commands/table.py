"""jtdiag table."""

from pathlib import Path

import click


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--of",
    "what",
    type=click.Choice(["errors", "configurations"]),
    default="errors",
    show_default=True,
    help="Test errors by λ and scheme, or members and their parameters.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["latex", "markdown", "csv"]),
    default="latex",
    show_default=True,
)
@click.option("--out", type=click.Path(path_type=Path), help="File [default: the terminal].")
def table(runs: tuple[Path, ...], what: str, form: str, out: Path | None) -> None:
    """Print a table of the runs or studies in folders RUN, a row for each.

    Means with standard errors over trials, the lowest of each row in bold. LaTeX needs booktabs
    and siunitx, as its first lines say.
    """
    from jtdiag.errors import StoreError
    from jtdiag.tables.registry import TABLES
    from jtdiag.tables.table import FORMATS

    text = FORMATS[form](TABLES[what](runs))
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, "utf-8")
    except OSError as error:
        raise StoreError(f"{out}: cannot be written: {error}.") from error
    click.echo(out)
