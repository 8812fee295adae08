"""jtdiag demo."""

from pathlib import Path

import click


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/demo"),
    show_default=True,
    help="Folder of the demo's run.",
)
def demo(out: Path) -> None:
    """Train four small networks on digits at λ = 0, 0.9 and 1, and see end-to-end training fail.

    Takes less than a minute; nothing is downloaded. A demo that is done is shown again.
    """
    from rich.console import Console
    from rich.table import Table

    from jtdiag.tables.performance import HEADINGS, performance_rows
    from jtdiag.terminal.findings import print_findings
    from jtdiag.terminal.training import display
    from jtdiag.workflows.demo import run_demo

    with display() as listener:
        shown = run_demo(out, listener)
    console = Console()
    table = Table(title="Test error at the epoch that validation chose, mean ± s.e. over trials")
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    for row in performance_rows(shown.performance):
        table.add_row(*row)
    console.print(table)
    print_findings(console, shown.findings)
    click.echo("\n  ".join(["\nFigures:", *map(str, shown.figures)]))
    click.echo(f"Look further: jtdiag probe {out}, jtdiag plot {out}, jtdiag report {out}")
