"""Print the differences between two runs as tables, Markdown or JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich import box
from rich.table import Table
from rich.text import Text

from jtdiag.compare.contract import Difference, Field
from jtdiag.compare.wording import FIELDS, RESULTS, field_rows, result_rows
from jtdiag.printable import printable_json
from jtdiag.tables import escaping
from jtdiag.terminal import wording
from jtdiag.terminal.console import Console
from jtdiag.terminal.plain_values import finite


def print_tables(
    fields: Sequence[Field], differences: Sequence[Difference], notes: Sequence[str]
) -> None:
    """Print the differences as tables on the terminal."""
    console = Console()
    if fields:
        _print(console, wording.RECIPES, FIELDS, field_rows(fields))
    else:
        console.print(wording.SAME_RECIPES)
    if differences:
        _print(console, wording.TEST_RESULTS, RESULTS, result_rows(differences))
    for note in notes:
        console.print(note, highlight=False, markup=False)


def _print(
    console: Console, title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    for column, heading in enumerate(headings):
        table.add_column(heading, justify="right" if column >= 2 and len(headings) > 3 else "left")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def as_markdown(
    fields: Sequence[Field], differences: Sequence[Difference], notes: Sequence[str]
) -> str:
    """Return the differences as Markdown."""
    parts = [_markdown(FIELDS, field_rows(fields)) if fields else wording.SAME_RECIPES]
    parts += [_markdown(RESULTS, result_rows(differences))] if differences else []
    return "\n\n".join([*parts, *map(escaping.markdown, notes)])


def _markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    cells = ([escaping.markdown(cell) for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def as_json(
    fields: Sequence[Field], differences: Sequence[Difference], notes: Sequence[str]
) -> str:
    """Return the differences as JSON; numbers that are not finite become null."""
    results = [
        {
            **{key: value for key, value in asdict(difference).items() if key != "interval"},
            "difference": difference.interval.mean,
            "low": difference.interval.low,
            "high": difference.interval.high,
        }
        for difference in differences
    ]
    recipe = [asdict(field) for field in fields]
    document = {"recipe": recipe, "results": results, "notes": list(notes)}
    text = json.dumps(finite(document), ensure_ascii=False, indent=2, allow_nan=False)
    return printable_json(text)
