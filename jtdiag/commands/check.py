"""jtdiag check."""

from pathlib import Path

import click

from jtdiag.terminal.echo import echo
from jtdiag.terminal.output_style import OutputStyle, output_style
from jtdiag.terminal.run_path import RUN


@click.command()
@click.argument("runs", nargs=-1, required=True, type=RUN)
@click.option("--repair", is_flag=True, help="Repair what is damaged.")
@output_style(json="Print the damage as JSON.")
def check(runs: tuple[Path, ...], repair: bool, style: OutputStyle) -> None:
    """Check that runs are as they were written.

    RUNS are run folders. Every file is compared with the checksums that were recorded when it was
    written, and damage is listed by lane, epoch and variable. The exit status is 1 if anything is
    damaged.

    With --repair, damaged lanes are trained again from the beginning, with the same result as
    before; a damaged recipe is written again from its copy in the store; damaged results are
    removed, and the next `jtdiag probe` measures them again. Runs that were recorded in another
    training loop cannot be trained again: damaged epochs are marked as not kept.
    """
    from jtdiag.terminal import checking
    from jtdiag.terminal.training import display
    from jtdiag.workflows.check import check as check_run, repair as repair_run

    outcomes = []
    for path in runs:
        checked = check_run(path)
        if style == "brief":
            echo(checking.lines(checked))
        if repair and not checked.intact:
            with display(style) as listener:
                checked = repair_run(checked, listener)
            if style == "brief":
                echo(checking.lines(checked))
        outcomes.append(checked)
    if style == "json":
        echo(checking.as_json(outcomes))
    if not all(checked.intact for checked in outcomes):
        raise SystemExit(1)
