"""jtdiag compare."""

from pathlib import Path

import click

from jtdiag.terminal.echo import echo
from jtdiag.terminal.run_path import RUN


@click.command()
@click.argument("a", type=RUN)
@click.argument("b", type=RUN)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "markdown", "json"]),
    default="table",
    show_default=True,
    help="Output format.",
)
def compare(a: Path, b: Path, form: str) -> None:
    """Compare two runs: recipes, then test results.

    A and B are run folders. Differences B − A are given with 95 % confidence intervals for every
    λ that both runs have; each lane is evaluated at the epoch selected on the validation split.
    To compare more than two runs, use `jtdiag report`.
    """
    from jtdiag.compare import runs
    from jtdiag.compare.runs import notes
    from jtdiag.probing.running import probe
    from jtdiag.store.run import Run
    from jtdiag.terminal.comparison import as_json, as_markdown, print_tables
    from jtdiag.terminal.lanes import print_lanes

    left, right = Run(a), Run(b)
    fields = runs.fields(left, right)
    performance = (probe(left, "performance"), probe(right, "performance"))
    differences = runs.differences(left, right, *performance)
    remarks = notes(left, right, differences)
    if form == "json":
        echo(as_json(fields, differences, remarks))
    elif form == "markdown":
        echo(as_markdown(fields, differences, remarks))
    else:
        print_tables(fields, differences, remarks)
    print_lanes([left, right], err=form != "table")
