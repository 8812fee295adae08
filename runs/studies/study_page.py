"""Tables of a study in a page of the manual: written between two comments that name the table."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]


def tables_option(default: Path) -> Callable[[Command], Command]:
    """Return a decorator that adds --tables, the folder with the tables of a study."""
    return click.option(
        "--tables",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        default=default,
        help="Folder with the study's tables; by default those of the page.",
    )


page_option = click.option(
    "--page", type=click.Path(exists=True, path_type=Path), help="Page to write into."
)


def put(tables_by_name: Mapping[str, str], page: Path | None) -> None:
    """Write tables into a page, or print them without one."""
    if page is not None:
        page.write_text(written(page.read_text("utf-8"), tables_by_name), "utf-8")
    else:
        click.echo("\n\n".join(f"{name}\n\n{table}" for name, table in tables_by_name.items()))


def markdown(head: Sequence[str], body: Sequence[Sequence[str]], words: int = 1) -> str:
    """Return a Markdown table.

    Args:
        head: Headings.
        body: Rows of cells.
        words: Number of columns that are aligned to the left; numbers follow, to the right.
    """
    rule = ["---"] * words + ["---:"] * (len(head) - words)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, rule, *body])


def written(page: str, tables_by_name: Mapping[str, str]) -> str:
    """Return a page with its tables replaced: everything between their two comments.

    Raises:
        ValueError: if the page has no marker for a table.
    """
    for name, table in tables_by_name.items():
        before, begin, rest = page.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("\n<!-- end -->")
        if not end:
            raise ValueError(f"the page has no marker for the table {name!r}: <!-- {name} -->")
        page = f"{before}{begin}\n{table}\n{end}{after}"
    return page
