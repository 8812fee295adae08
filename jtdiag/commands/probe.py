"""jtdiag probe."""

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("names", nargs=-1)
@click.option("--force", is_flag=True, help="Measure again even if the stored result is fresh.")
def probe(run: Path, names: tuple[str, ...], force: bool) -> None:
    """Ask the probes NAMES (default: all) of the run in folder RUN and print what they find."""
    from rich.console import Console

    from jtdiag import finding, result
    from jtdiag.commands.findings_display import print_findings
    from jtdiag.probing import probe as ask
    from jtdiag.registry import load_probe, probe_names
    from jtdiag.store import Run

    opened = Run(run)
    asked = [load_probe(name) for name in names or probe_names()]
    for one in asked:
        if not names and not one.applies(opened):
            click.echo(f"{one.name}: passed over; it is about classes. {one.question}")
            continue
        fresh = not force and result.is_fresh(opened, one)
        click.echo(f"{one.name}: {'fresh' if fresh else 'measuring'}. {one.question}")
        ask(opened, one.name, force=force)
    wanted = {one.name for one in asked}
    print_findings(Console(), [f for f in finding.read(run) if f.probe in wanted])
