"""jtdiag probe."""

import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jtdiag.terminal.echo import echo

if TYPE_CHECKING:
    from jtdiag.probing.contract import Probe
    from jtdiag.store.run import Run


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("names", nargs=-1)
@click.option(
    "--probe",
    "addresses",
    metavar="FILE.py:NAME",
    multiple=True,
    help="Also run the probe NAME defined in a Python file; repeatable.",
)
@click.option("--force", is_flag=True, help="Recompute results that are up to date.")
def probe(run: Path, names: tuple[str, ...], addresses: tuple[str, ...], force: bool) -> None:
    """Run the given probes on RUN and print their findings.

    Without NAMES, all probes that apply to the run are run, or with --probe only the probes of
    the given files. Results that are up to date are not recomputed.
    """
    from jtdiag.probing import findings, from_file, lane_states
    from jtdiag.probing.registry import PROBES
    from jtdiag.probing.running import require_sealed
    from jtdiag.store.run import Run
    from jtdiag.terminal import wording
    from jtdiag.terminal.console import Console
    from jtdiag.terminal.findings import print_findings

    opened = Run(run)
    selected = [PROBES.find(name) for name in names or ([] if addresses else PROBES.names())]
    selected += [from_file.load(address) for address in addresses]
    require_sealed(opened)
    failed = []
    for each in selected:
        if not names and not each.applies(opened):
            echo(wording.probe_not_applicable(each.name, each.question))
        elif len(selected) == 1:
            _run(opened, each, force=force)
        elif not _succeeds(opened, each, force=force):
            failed.append(each.name)
    # In this order, whatever that of the file, which may have been written again.
    order = [lane_states.SOURCE, *(each.name for each in selected if each.name not in failed)]
    printed = [finding for finding in findings.read(run) if finding.probe in order]
    print_findings(Console(), sorted(printed, key=lambda finding: order.index(finding.probe)))
    if failed:
        echo(wording.probes_failed(failed, len(selected)), err=True)
        raise SystemExit(1)


def _succeeds(run: "Run", probe: "Probe", *, force: bool) -> bool:
    """Run one of several probes; return whether it succeeded. An error is printed."""
    from jtdiag.errors import JtdiagError
    from jtdiag.terminal import wording

    try:
        _run(run, probe, force=force)
    except JtdiagError as error:
        echo(wording.probe_failed(probe.name, str(error)), err=True)
        return False
    except Exception:  # noqa: BLE001 - a bug of one probe must not hide findings of the others
        echo(wording.probe_failed(probe.name, traceback.format_exc()), err=True)
        return False
    return True


def _run(run: "Run", probe: "Probe", *, force: bool) -> None:
    """Run a probe and show its progress, and its findings if they cannot be saved."""
    from jtdiag.probing import results
    from jtdiag.probing.running import judge, probe as run_probe
    from jtdiag.terminal import wording
    from jtdiag.terminal.console import Console
    from jtdiag.terminal.findings import print_findings
    from jtdiag.terminal.probing import announce, measuring

    if not force and results.is_fresh(run, probe):
        echo(wording.probe_up_to_date(probe.name, probe.question))
    else:
        announce(run, probe)
    try:
        with measuring(run, probe.name):
            run_probe(run, probe, force=force)
    except results.NotSavedError as error:
        print_findings(Console(), judge(run, probe, error.result))
        raise
