"""jtdiag report."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jtdiag.terminal.echo import echo

if TYPE_CHECKING:
    from jtdiag.probing.contract import Probe
    from jtdiag.report.evidence import Evidence
    from jtdiag.store.run import Run


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Output file [default: report.html in the first run's folder].",
)
@click.option(
    "--ask/--no-ask",
    default=True,
    show_default=True,
    help="First run the cheap probes whose results are missing or outdated.",
)
def report(runs: tuple[Path, ...], out: Path | None, ask: bool) -> None:
    """Write an HTML report of one or more runs.

    The report starts with the main result, followed by figures, tables, findings, the recipe and
    how to reproduce the run. It is one self-contained file. With several runs, it starts with a
    comparison. Slow probes are not run automatically: run them with `jtdiag probe` first to
    include their figures.
    """
    from jtdiag.report.evidence import ask_cheap, gather
    from jtdiag.report.page import page, write
    from jtdiag.store.run import Run
    from jtdiag.terminal import wording
    from jtdiag.terminal.lanes import print_lanes

    opened = [Run(path) for path in runs]
    for run in opened if ask else ():
        if os.access(run.path, os.W_OK):
            ask_cheap(run, _run_probe)
        else:
            echo(wording.only_stored_results(run.path))
    evidence = [gather(run) for run in opened]
    path = out or runs[0] / "report.html"
    size = write(path, page(evidence))
    for of_run in evidence:
        _print_missing(of_run)
    print_lanes(opened)
    echo(wording.report_written(path, size))


def _run_probe(run: "Run", probe: "Probe") -> None:
    """Run a probe and show its progress."""
    from jtdiag.probing.running import measure
    from jtdiag.terminal.probing import announce, measuring

    announce(run, probe)
    with measuring(run, probe.name):
        measure(run, probe)


def _print_missing(evidence: "Evidence") -> None:
    """Print which probes have no result or an outdated one."""
    from jtdiag.figures import FIGURES
    from jtdiag.terminal import wording

    path = evidence.run.path
    for probe in evidence.missing:
        adds = [figure.name for figure in FIGURES.all() if figure.needs == probe]
        echo(wording.probe_missing(probe, path, adds))
    if evidence.stale:
        echo(wording.results_outdated(evidence.stale, path))
