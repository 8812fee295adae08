"""jtdiag budget."""

from pathlib import Path

import click


def _counts(context: click.Context, option: click.Parameter, text: str) -> tuple[int, ...]:
    """Return different whole numbers above 0, given with commas between them."""
    words = text.split(",")
    counts = tuple(int(word) for word in words if word.strip().isdecimal())
    if len(counts) < len(words) or 0 in counts or len(set(counts)) < len(counts):
        raise click.BadParameter(f"'{text}' must be different whole numbers, such as 1,16,64.")
    return counts


@click.command()
@click.option(
    "--params",
    type=int,
    required=True,
    help="The budget: parameters of all members together.",
)
@click.option(
    "--arch",
    metavar="ARCH",
    required=True,
    help="The members' architecture: mlp, conv, densenet, or another one that is installed.",
)
@click.option("--data", required=True, help="digits, fashion-mnist, or an .npz file.")
@click.option(
    "--members",
    metavar="M,M,…",
    required=True,
    callback=_counts,
    help="Numbers of members, such as 1,16,64,256.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="runs",
    show_default=True,
    help="Folder for the recipes.",
)
def budget(params: int, arch: str, data: str, members: tuple[int, ...], out: Path) -> None:
    """Spend one budget of parameters on few wide or on many narrow members.

    Prints for each number of members the width that comes nearest to the budget, and writes a
    recipe for each. No file is overwritten.
    """
    from jtdiag.recipe.budget import plan, write

    configurations = plan(params, arch, data, members)
    row = "{:>7}  {:>6}  {:>21}  {:>15}  {:>10}"
    click.echo(row.format("members", "width", "parameters per member", "total", "difference"))
    for c in configurations:
        each, total = f"{c.parameters_per_member:,}", f"{c.parameters:,}"
        click.echo(row.format(c.count, c.width, each, total, f"{c.difference:+.2f} %"))
    for path in write(configurations, out):
        click.echo(f"Wrote {path}.")
