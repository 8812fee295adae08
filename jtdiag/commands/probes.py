"""jtdiag probes."""

import click


@click.command()
def probes() -> None:
    """List the installed probes and the questions they ask."""
    from jtdiag.probing.registry import PROBES

    found = PROBES.all()
    width = max((len(probe.name) for probe in found), default=0)
    for probe in found:
        click.echo(f"{probe.name:{width}}  {probe.question}")
