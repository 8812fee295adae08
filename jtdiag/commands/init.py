"""jtdiag init."""

from pathlib import Path

import click

from jtdiag.printable import shell_word
from jtdiag.terminal.echo import echo
from jtdiag.terminal.layout_option import layout_option


@click.command()
@click.argument("data")
@layout_option
@click.option(
    "--out", type=click.Path(path_type=Path), help="Recipe to write [default: NAME.toml]."
)
def init(data: str, layout: str, out: Path | None) -> None:
    """Write a first recipe for your own data.

    DATA is an .npz file with x_train, y_train, x_test and y_test, or digits or fashion-mnist. The
    recipe fits the number of examples, and its comments say what to change. Existing files are not
    overwritten.
    """
    from jtdiag.recipe.starting import write
    from jtdiag.terminal import wording

    path = out or Path(f"{Path(data).stem}.toml")
    write(data, path, layout)
    echo(wording.recipe_written(path))
    recipe = shell_word(path)
    echo(wording.next_commands([f"jtdiag train {recipe} --dry-run", f"jtdiag train {recipe}"]))
