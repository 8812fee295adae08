"""jtdiag watch."""

from pathlib import Path

import click

ALERTED = 3
"""Exit status when an alert was raised; 1 and 2 are errors."""


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
def watch(run: Path) -> None:
    """Follow the run in folder RUN while it trains; print findings and alerts as they come.

    Ends with the run. Exit status: 0 without an alert, 3 with one, 1 if the run died.
    """
    from rich.console import Console

    from jtdiag.commands.findings_display import print_finding
    from jtdiag.errors import StoreError
    from jtdiag.finding import Finding
    from jtdiag.watch import Sealed, follow, wait_for

    opened = wait_for(run)
    console = Console()
    alerted, done = False, False
    for event in follow(opened):
        if isinstance(event, Finding):
            alerted |= event.level == "alert"
            print_finding(console, event)
        elif isinstance(event, Sealed):
            click.echo(
                f"λ = {opened.lam(event.lane):g}, trial {event.lane.trial}: "
                f"epoch {event.epoch} is sealed"
            )
        else:
            done = event.done
    if alerted:
        raise SystemExit(ALERTED)
    if not done:
        raise StoreError(
            f"{run}: the engine is gone before the run was done. "
            f"Go on with: jtdiag train {run} --resume"
        )
