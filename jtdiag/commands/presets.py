"""jtdiag presets."""

import click

from jtdiag.terminal.named_texts import echo_texts


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the descriptions by name as JSON.")
def presets(as_json: bool) -> None:
    """List the built-in recipes."""
    from jtdiag.recipe.presets import describe, paths

    echo_texts({name: describe(path) for name, path in paths().items()}, as_json=as_json)
