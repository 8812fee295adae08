"""jtdiag probes."""

import click

from jtdiag.terminal.echo import echo


@click.command()
def probes() -> None:
    """List the installed probes and the questions they answer."""
    from jtdiag.probing.registry import PROBES

    installed = PROBES.names()
    width = max(map(len, installed), default=0)
    for name in installed:
        echo(f"{name:{width}}  {PROBES.text(name, 'question')}")
