"""jtdiag report."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jtdiag.errors import ClusterError
from jtdiag.terminal.cluster_options import ClusterOptions, cluster_options
from jtdiag.terminal.echo import echo
from jtdiag.terminal.output_style import OutputStyle, output_style
from jtdiag.terminal.run_path import RUN

if TYPE_CHECKING:
    from distributed import Client

    from jtdiag.probing.contract import Probe
    from jtdiag.report.evidence import Evidence
    from jtdiag.store.run import Run


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=RUN)
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
@cluster_options
@output_style(json="Print the file and the probes without results as JSON.")
def report(
    runs: tuple[Path, ...],
    out: Path | None,
    ask: bool,
    cluster: ClusterOptions,
    style: OutputStyle,
) -> None:
    """Write an HTML report of one or more runs.

    The report starts with the main result, followed by figures, tables, findings, the recipe and
    how to reproduce the run. It is one self-contained file. With several runs, it starts with a
    comparison. Slow probes are not run automatically: run them with `jtdiag probe` first to
    include their figures; with workers of Dask, those whose lanes workers measure are run, too.
    """
    from jtdiag.report.evidence import gather
    from jtdiag.report.page import page, write
    from jtdiag.store.run import Run
    from jtdiag.terminal import wording
    from jtdiag.terminal.lanes import print_lanes

    opened = [Run(path) for path in runs]
    if cluster.arguments and not ask:
        raise ClusterError(
            f"--no-ask measures nothing, so there is nothing to do for{cluster.arguments}; leave "
            "one of them out."
        )
    with cluster.client_for(*runs) as client:
        for run in opened if ask else ():
            _ask_cheap(run, client, shown=style == "brief")
    evidence = [gather(run) for run in opened]
    path = out or runs[0] / "report.html"
    size = write(path, page(evidence))
    if style == "json":
        _print_json(path, evidence)
    elif style == "brief":
        for of_run in evidence:
            _print_missing(of_run)
        print_lanes(opened)
        echo(wording.report_written(path, size))


def _ask_cheap(run: "Run", client: "Client | None", *, shown: bool) -> None:
    """Run probes, if the run can be written to; show their progress if it is wanted."""
    from jtdiag.probing.running import measure
    from jtdiag.report.evidence import ask_cheap
    from jtdiag.terminal import wording

    if os.access(run.path, os.W_OK):
        asking = partial(_run_probe if shown else measure, client=client)
        ask_cheap(run, asking, workers=client is not None)
    elif shown:
        echo(wording.only_stored_results(run.path))


def _run_probe(run: "Run", probe: "Probe", client: "Client | None") -> None:
    """Run a probe and show its progress."""
    from jtdiag.probing.running import measure
    from jtdiag.terminal.probing import announce, measuring

    announce(run, probe)
    with measuring(run, probe.name):
        measure(run, probe, client)


def _print_json(path: Path, evidence: "Sequence[Evidence]") -> None:
    """Print one object: the file, and which probes of each run have no result or an old one."""
    from jtdiag.terminal.plain_values import json_line

    runs = [
        {"run": str(each.run.path), "missing": [*each.missing], "outdated": [*each.stale]}
        for each in evidence
    ]
    echo(json_line({"report": str(path), "runs": runs}))


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
