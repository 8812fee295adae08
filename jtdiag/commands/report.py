"""jtdiag report."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from jtdiag.probing.contract import Probe
    from jtdiag.report.evidence import Evidence
    from jtdiag.store.run import Run


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The page [default: report.html in the first run's folder].",
)
@click.option(
    "--ask/--no-ask",
    default=True,
    show_default=True,
    help="First ask the cheap probes that have no fresh result.",
)
def report(runs: tuple[Path, ...], out: Path | None, ask: bool) -> None:
    """Write what is known of the runs in folders RUN as one HTML page.

    The answer comes first, then figures, tables, findings, the recipe and how to reproduce it.
    The page loads nothing; send it as it is. Slow probes are not asked: ask them with `jtdiag
    probe`, and the page has their figures, too. Several runs are compared first.
    """
    from jtdiag.report.evidence import ask_cheap, gather
    from jtdiag.report.page import page, write
    from jtdiag.store.run import Run

    opened = [Run(path) for path in runs]
    for run in opened if ask else ():
        ask_cheap(run, _asking)
    known = [gather(run) for run in opened]
    path = out or runs[0] / "report.html"
    size = write(path, page(known))
    for evidence in known:
        _say_what_is_missing(evidence)
    click.echo(f"{path}: {size / 1e6:.1f} MB")


def _asking(run: "Run", probe: "Probe") -> None:
    """Measure, and say so."""
    from jtdiag.probing.running import measure
    from jtdiag.terminal.probing import measuring

    click.echo(f"{probe.name}: measuring. {probe.question}")
    with measuring(run, probe.name):
        measure(run, probe)


def _say_what_is_missing(evidence: "Evidence") -> None:
    """Name the probes that have not been asked, and the figures that they would add."""
    from jtdiag.figures import FIGURES

    for probe in evidence.missing:
        named = [figure.name for figure in FIGURES.all() if figure.needs == probe]
        adds = f" adds {', '.join(named)}" if named else " adds its findings"
        click.echo(f"{probe}: not asked yet; jtdiag probe {evidence.run.path} {probe}{adds}.")
    if evidence.stale:
        asked = " ".join(evidence.stale)
        click.echo(f"Of older results; jtdiag probe {evidence.run.path} {asked} renews them.")
