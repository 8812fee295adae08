"""jtdiag presets."""

import click


@click.command()
def presets() -> None:
    """List the built-in recipes."""
    from jtdiag.recipe.presets import describe, paths

    width = max(len(name) for name in paths())
    for name, path in paths().items():
        click.echo(f"{name:{width}}  {describe(path)}")
