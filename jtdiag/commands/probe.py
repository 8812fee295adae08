"""jtdiag probe."""

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("names", nargs=-1)
@click.option(
    "--probe",
    "addresses",
    metavar="FILE.py:NAME",
    multiple=True,
    help="Ask the probe NAME of a Python file, too; repeatable.",
)
@click.option("--force", is_flag=True, help="Measure again even if the stored result is fresh.")
def probe(run: Path, names: tuple[str, ...], addresses: tuple[str, ...], force: bool) -> None:
    """Ask the probes NAMES (default: all) of the run in folder RUN and print what they find.

    With --probe and no NAMES, only the probes of the files are asked.
    """
    from rich.console import Console

    from jtdiag.probing import findings as finding, from_file as probe_file, results as result
    from jtdiag.probing.registry import PROBES
    from jtdiag.probing.running import probe as ask
    from jtdiag.store.run import Run
    from jtdiag.terminal.findings import print_findings
    from jtdiag.terminal.probing import measuring

    opened = Run(run)
    installed = names if names or addresses else PROBES.names()
    asked = [PROBES.find(name) for name in installed]
    asked += [probe_file.load(address) for address in addresses]
    for one in asked:
        if not names and not one.applies(opened):
            click.echo(f"{one.name}: passed over; it does not apply to this run. {one.question}")
            continue
        fresh = not force and result.is_fresh(opened, one)
        click.echo(f"{one.name}: {'fresh' if fresh else 'measuring'}. {one.question}")
        with measuring(opened, one.name):
            ask(opened, one, force=force)
    wanted = {one.name for one in asked}
    print_findings(Console(), [f for f in finding.read(run) if f.probe in wanted])
