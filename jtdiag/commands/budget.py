"""jtdiag budget."""

from pathlib import Path

import click

from jtdiag.recipe.image_layout import LAYOUTS
from jtdiag.terminal.echo import echo


def _counts(context: click.Context, option: click.Parameter, text: str) -> tuple[int, ...]:
    """Return the numbers in a comma-separated list of distinct positive integers."""
    words = text.split(",")
    counts = tuple(int(word) for word in words if word.strip().isdecimal())
    if len(counts) < len(words) or 0 in counts or len(set(counts)) < len(counts):
        raise click.BadParameter(
            f"'{text}' must be distinct positive integers separated by commas, such as 1,16,64."
        )
    return counts


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
    help="Architecture of the members: mlp, conv, densenet or another installed one.",
)
@click.option("--data", required=True, help="Dataset: digits, fashion-mnist or an .npz file.")
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    default="auto",
    show_default=True,
    help="Order of the axes of images in an .npz file, as data.layout.",
)
@click.option(
    "--members",
    metavar="M,M,…",
    required=True,
    callback=_counts,
    help="Comma-separated numbers of members, such as 1,16,64,256.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="runs",
    show_default=True,
    help="Output folder for the recipes.",
)
def budget(
    params: int, arch: str, data: str, layout: str, members: tuple[int, ...], out: Path
) -> None:
    """Plan ensembles of different sizes for one parameter budget.

    For each number of members, prints the width whose parameter count is closest to the budget
    and writes a recipe. Existing files are not overwritten.
    """
    from jtdiag.recipe.budget import plan, write
    from jtdiag.terminal import wording

    configurations = plan(params, arch, data, members, layout)
    row = "{:>7}  {:>6}  {:>21}  {:>15}  {:>10}"
    echo(row.format("members", "width", "parameters per member", "total", "difference"))
    for c in configurations:
        per_member, total = f"{c.parameters_per_member:,}", f"{c.parameters:,}"
        echo(row.format(c.count, c.width, per_member, total, f"{c.difference:+.2f} %"))
    for path in write(configurations, out):
        echo(wording.recipe_written(path))
