"""jtdiag demo."""

from pathlib import Path

import click

from jtdiag.terminal.output_style import OutputStyle, output_style


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/demo"),
    show_default=True,
    help="Run folder.",
)
@output_style(
    verbose="Print every epoch and every finding.",
    json="Print the answer and all findings as JSON.",
)
def demo(out: Path, style: OutputStyle) -> None:
    """Train, probe and plot a small example.

    Trains four small networks that start unequal on the digits dataset: independently (λ = 0),
    jointly (λ = 0.5) and end to end (λ = 1), and compares them. Takes less than a minute and
    downloads nothing. If the demo is already trained, only its results are shown.
    """
    from jtdiag.terminal.closing import Closing, next_commands, print_closing
    from jtdiag.terminal.console import Console
    from jtdiag.terminal.training import display
    from jtdiag.workflows.demo import run_demo

    with display(style, short=True) as listener:
        result = run_demo(out, listener)
    closing = Closing(
        evidence=result.evidence,
        figures=result.figures,
        commands=next_commands(out, "report", "plot", "probe"),
        style=style,
    )
    print_closing(Console(), closing)
