"""jtdiag probe."""

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jtdiag.terminal import completion
from jtdiag.terminal.cluster_options import ClusterOptions, cluster_options
from jtdiag.terminal.echo import echo
from jtdiag.terminal.output_style import OutputStyle, output_style
from jtdiag.terminal.run_path import RUN

if TYPE_CHECKING:
    from distributed import Client

    from jtdiag.probing.contract import Probe
    from jtdiag.probing.findings import Finding
    from jtdiag.store.run import Run


@click.command()
@click.argument("run", type=RUN)
@click.argument("names", nargs=-1, shell_complete=completion.probes)
@click.option(
    "--probe",
    "addresses",
    metavar="FILE.py:NAME",
    multiple=True,
    help="Also run the probe NAME defined in a Python file; repeatable.",
)
@click.option("--force", is_flag=True, help="Recompute results that are up to date.")
@cluster_options
@output_style(
    verbose="Print each probe and every finding.", json="Print the answer and all findings as JSON."
)
def probe(
    run: Path,
    names: tuple[str, ...],
    addresses: tuple[str, ...],
    force: bool,
    cluster: ClusterOptions,
    style: OutputStyle,
) -> None:
    """Run the given probes on RUN and print their findings.

    Without NAMES, all probes that apply to the run are run, or with --probe only the probes of
    the given files. Results that are up to date are not recomputed. If all are run, the answer
    in a few sentences, the test errors and the alerts are printed, and every finding with -v.
    """
    from jtdiag.probing import from_file
    from jtdiag.probing.registry import PROBES
    from jtdiag.probing.running import require_sealed
    from jtdiag.store.run import Run
    from jtdiag.terminal import wording

    opened = Run(run)
    selected = [PROBES.find(name) for name in names or ([] if addresses else PROBES.names())]
    selected += [from_file.load(address) for address in addresses]
    require_sealed(opened)
    every = not (names or addresses)
    if style == "brief" and not every:
        style = "verbose"
    slow_last = sorted(selected, key=lambda each: each.cost == "slow")
    with cluster.client_for(run) as client:
        how = Running(force=force, named=bool(names), style=style, client=client)
        failed = _run_all(opened, slow_last if every else selected, how)
    asked = [each.name for each in selected if each.name not in failed]
    _print(opened, asked, style, every=every)
    if failed:
        echo(wording.probes_failed(failed, len(selected)), err=True)
        raise SystemExit(1)


@dataclass(frozen=True, kw_only=True)
class Running:
    """How probes are run, and what is printed of it."""

    force: bool
    """Whether results that are up to date are computed again."""
    named: bool
    """Whether the probes were given by name; otherwise those that do not apply are left out."""
    style: OutputStyle
    """"verbose" for a line on every probe, "brief" on slow ones; others print none."""
    client: "Client | None"
    """Client of the workers that measure lanes."""


def _run_all(run: "Run", selected: "list[Probe]", how: Running) -> list[str]:
    """Run probes; return the names of those of several that failed. Of one, the error is raised."""
    from jtdiag.terminal import wording

    failed = []
    for probe in selected:
        if not how.named and not probe.applies(run):
            if how.style == "verbose":
                echo(wording.probe_not_applicable(probe.name, probe.question))
        elif len(selected) == 1:
            _run(run, probe, how)
        elif not _succeeds(run, probe, how):
            failed.append(probe.name)
    return failed


def _print(run: "Run", asked: list[str], style: OutputStyle, *, every: bool) -> None:
    """Print the findings of probes, or what all of them come to.

    Args:
        run: The run.
        asked: Names of the probes.
        style: How much is printed.
        every: Whether these are all probes, so that there is an answer.
    """
    from jtdiag.report.evidence import gather
    from jtdiag.terminal.closing import Closing, next_commands, print_closing
    from jtdiag.terminal.console import Console
    from jtdiag.terminal.findings import print_findings
    from jtdiag.terminal.plain_values import json_line, plain_values

    if style == "quiet":
        return
    if every:
        commands = next_commands(run.path, "report", "plot")
        closing = Closing(evidence=gather(run), commands=commands, style=style)
        print_closing(Console(), closing)
    elif style == "json":
        findings = [plain_values(finding) for finding in _findings(run, asked)]
        echo(json_line({"run": str(run.path), "findings": findings}))
    else:
        print_findings(Console(), _findings(run, asked))


def _findings(run: "Run", asked: list[str]) -> "list[Finding]":
    """Return the findings on lanes and of the given probes, in this order."""
    from jtdiag.probing import findings, lane_states

    # Whatever the order in the file, which may have been written again.
    order = [lane_states.SOURCE, *asked]
    stored = [finding for finding in findings.read(run.path) if finding.probe in order]
    return sorted(stored, key=lambda finding: order.index(finding.probe))


def _succeeds(run: "Run", probe: "Probe", how: Running) -> bool:
    """Run one of several probes; return whether it succeeded. An error is printed."""
    from jtdiag.errors import JtdiagError
    from jtdiag.terminal import wording

    try:
        _run(run, probe, how)
    except JtdiagError as error:
        echo(wording.probe_failed(probe.name, str(error)), err=True)
        return False
    except Exception:  # noqa: BLE001 - a bug of one probe must not hide findings of the others
        echo(wording.probe_failed(probe.name, traceback.format_exc()), err=True)
        return False
    return True


def _run(run: "Run", probe: "Probe", how: Running) -> None:
    """Run a probe and show its progress, and its findings if they cannot be saved."""
    from jtdiag.probing import results
    from jtdiag.probing.running import judge, probe as run_probe
    from jtdiag.terminal import wording
    from jtdiag.terminal.console import Console
    from jtdiag.terminal.findings import print_findings
    from jtdiag.terminal.probing import announce, measuring

    fresh = not how.force and results.is_fresh(run, probe)
    if fresh and how.style == "verbose":
        echo(wording.probe_up_to_date(probe.name, probe.question))
    elif not fresh and how.style in ("verbose", "brief"):
        announce(run, probe, brief=how.style == "brief")
    try:
        with measuring(run, probe.name, shown=how.style in ("verbose", "brief")):
            run_probe(run, probe, force=how.force, client=how.client)
    except results.NotSavedError as error:
        print_findings(Console(), judge(run, probe, error.result))
        raise
