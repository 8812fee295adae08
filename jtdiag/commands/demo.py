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
@click.option("-v", "--verbose", is_flag=True, help="Print every epoch and every finding.")
def demo(out: Path, verbose: bool) -> None:
    """Train, probe and plot a small example.

    Trains four small networks that start unequal on the digits dataset: independently (λ = 0),
    jointly (λ = 0.5) and end to end (λ = 1), and compares them. Takes less than a minute and
    downloads nothing. If the demo is already trained, only its results are shown.
    """
    from jtdiag.terminal.closing import Closing, next_commands, print_closing
    from jtdiag.terminal.console import Console
    from jtdiag.terminal.training import display
    from jtdiag.workflows.demo import run_demo

    with display(brief=not verbose) as listener:
        result = run_demo(out, listener)
    closing = Closing(
        evidence=result.evidence,
        figures=result.figures,
        commands=next_commands(out, "report", "plot", "probe"),
        verbose=verbose,
    )
    print_closing(Console(), closing)
