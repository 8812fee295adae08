"""jtdiag compare."""

from pathlib import Path

import click


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "markdown", "json"]),
    default="table",
    show_default=True,
    help="For a terminal, for a page, or for a program.",
)
def compare(a: Path, b: Path, form: str) -> None:
    """Say in what the runs in folders A and B differ: recipes, then results with intervals.

    Results are on test, at every λ that both runs have, each lane at the epoch that validation
    chose. Of more runs, compare two at a time, or see `jtdiag report`.
    """
    from jtdiag.compare import runs as comparing
    from jtdiag.compare.wording import notes
    from jtdiag.probing.running import probe
    from jtdiag.store.run import Run
    from jtdiag.terminal.comparison import as_json, as_markdown, print_tables

    left, right = Run(a), Run(b)
    fields = comparing.fields(left, right)
    found = comparing.differences(
        left, right, probe(left, "performance"), probe(right, "performance")
    )
    said = notes(left, right, found)
    if form == "json":
        click.echo(as_json(fields, found, said))
    elif form == "markdown":
        click.echo(as_markdown(fields, found, said))
    else:
        print_tables(fields, found, said)
