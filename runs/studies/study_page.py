"""Tables of a study in a page of the manual: written between two comments that name the table."""

from collections.abc import Mapping, Sequence


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
