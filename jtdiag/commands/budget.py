"""jtdiag budget."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jtdiag.terminal import completion
from jtdiag.terminal.echo import echo
from jtdiag.terminal.layout_option import layout_option
from jtdiag.terminal.output_style import OutputStyle, output_style

if TYPE_CHECKING:
    from jtdiag.recipe.budget import Configuration


def counts(context: click.Context, option: click.Parameter, text: str) -> tuple[int, ...]:
    """Return the numbers in a comma-separated list of distinct positive integers."""
    words = text.split(",")
    numbers = tuple(int(word) for word in words if word.strip().isdecimal())
    if len(numbers) < len(words) or 0 in numbers or len(set(numbers)) < len(numbers):
        raise click.BadParameter(
            f"'{text}' must be distinct positive integers separated by commas, such as 1,16,64."
        )
    return numbers


@click.command()
@click.option(
    "--params",
    type=int,
    required=True,
    help="Parameter budget, summed over all members.",
)
@click.option(
    "--arch",
    metavar="ARCH",
    required=True,
    shell_complete=completion.architectures,
    help="Architecture of the members: mlp, conv, densenet or another installed one.",
)
@click.option("--data", required=True, help="Dataset: digits, fashion-mnist or an .npz file.")
@layout_option
@click.option(
    "--members",
    metavar="M,M,…",
    required=True,
    callback=counts,
    help="Comma-separated numbers of members, such as 1,16,64,256.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="runs",
    show_default=True,
    help="Output folder for the recipes.",
)
@output_style(json="Print the configurations and the recipes as JSON.")
def budget(
    params: int,
    arch: str,
    data: str,
    layout: str,
    members: tuple[int, ...],
    out: Path,
    style: OutputStyle,
) -> None:
    """Plan ensembles of different sizes for one parameter budget.

    For each number of members, prints the width whose parameter count is closest to the budget
    and writes a recipe. Existing files are not overwritten.
    """
    from jtdiag.recipe.budget import plan, write
    from jtdiag.terminal import wording

    configurations = plan(params, arch, data, members, layout)
    if style == "brief":
        _print_table(configurations)
    recipes = write(configurations, out)
    if style == "json":
        _print_json(configurations, recipes)
    elif style == "brief":
        for path in recipes:
            echo(wording.recipe_written(path))


def _print_json(configurations: "Sequence[Configuration]", recipes: Sequence[Path]) -> None:
    """Print one object with the configurations and the files of their recipes."""
    from jtdiag.terminal.plain_values import json_line

    planned = [
        {
            "members": c.count,
            "width": c.width,
            "parameters_per_member": c.parameters_per_member,
            "parameters": c.parameters,
            "difference_percent": c.difference,
            "recipe": str(path),
        }
        for c, path in zip(configurations, recipes, strict=True)
    ]
    echo(json_line({"configurations": planned}))


def _print_table(configurations: "Sequence[Configuration]") -> None:
    """Print a line for each configuration."""
    row = "{:>7}  {:>6}  {:>21}  {:>15}  {:>10}"
    echo(row.format("members", "width", "parameters per member", "total", "difference"))
    for c in configurations:
        per_member, total = f"{c.parameters_per_member:,}", f"{c.parameters:,}"
        echo(row.format(c.count, c.width, per_member, total, f"{c.difference:+.2f} %"))
