"""jtdiag demo."""

from pathlib import Path

import click


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/demo"),
    show_default=True,
    help="Run folder.",
)
def demo(out: Path) -> None:
    """Train, probe and plot a small example.

    Trains four small networks on the digits dataset independently (λ = 0), jointly (λ = 0.9) and
    end to end (λ = 1), and compares them. Takes less than a minute and downloads nothing. If the
    demo is already trained, only its results are shown.
    """
    from rich.console import Console
    from rich.table import Table

    from jtdiag.tables.performance import HEADINGS, performance_rows
    from jtdiag.terminal import wording
    from jtdiag.terminal.findings import print_findings
    from jtdiag.terminal.training import display
    from jtdiag.workflows.demo import run_demo

    with display() as listener:
        result = run_demo(out, listener)
    console = Console()
    table = Table(title=wording.error_table_title())
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    for row in performance_rows(result.performance):
        table.add_row(*row)
    console.print(table)
    print_findings(console, result.findings)
    click.echo(f"\n{wording.files(result.figures)}")
    click.echo(wording.next_steps(out))
