"""jtdiag probes."""

import click

from jtdiag.terminal.echo import echo


@click.command()
def probes() -> None:
    """List the installed probes and the questions they answer."""
    from jtdiag.probing.registry import PROBES

    installed = PROBES.all()
    width = max((len(probe.name) for probe in installed), default=0)
    for probe in installed:
        echo(f"{probe.name:{width}}  {probe.question}")
