"""jtdiag probe."""

from pathlib import Path

import click

from jtdiag.terminal.echo import echo


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
    from jtdiag.probing import findings, from_file, results
    from jtdiag.probing.registry import PROBES
    from jtdiag.probing.running import probe as run_probe
    from jtdiag.store.run import Run
    from jtdiag.terminal import wording
    from jtdiag.terminal.console import Console
    from jtdiag.terminal.findings import print_findings
    from jtdiag.terminal.probing import measuring

    opened = Run(run)
    selected = [PROBES.find(name) for name in names or ([] if addresses else PROBES.names())]
    selected += [from_file.load(address) for address in addresses]
    for each in selected:
        if not names and not each.applies(opened):
            echo(wording.probe_not_applicable(each.name, each.question))
            continue
        if not force and results.is_fresh(opened, each):
            echo(wording.probe_up_to_date(each.name, each.question))
        else:
            echo(wording.probe_running(each.name, each.question))
        with measuring(opened, each.name):
            run_probe(opened, each, force=force)
    run_names = {each.name for each in selected}
    print_findings(Console(), [f for f in findings.read(run) if f.probe in run_names])
