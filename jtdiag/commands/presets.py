"""jtdiag presets."""

import click

from jtdiag.terminal.echo import echo


@click.command()
def presets() -> None:
    """List the built-in recipes."""
    from jtdiag.recipe.presets import describe, paths

    width = max(len(name) for name in paths())
    for name, path in paths().items():
        echo(f"{name:{width}}  {describe(path)}")
