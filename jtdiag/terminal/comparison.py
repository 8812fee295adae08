"""Differences of two runs as a terminal, a page or a program wants them."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from jtdiag.compare.runs import Difference, Field
from jtdiag.compare.wording import FIELDS, RESULTS, field_rows, result_rows

SAME = "The recipes do not differ in what decides the outcome."


def print_tables(
    fields: Sequence[Field], found: Sequence[Difference], notes: Sequence[str]
) -> None:
    """Print the differences for a person at a terminal."""
    console = Console()
    if fields:
        _print(console, "Recipes", FIELDS, field_rows(fields))
    else:
        console.print(SAME)
    if found:
        _print(console, "Results on test", RESULTS, result_rows(found))
    for note in notes:
        console.print(note, highlight=False, markup=False)


def _print(
    console: Console, title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place >= 2 and len(headings) > 3 else "left")
    for row in rows:
        table.add_row(*(cell.replace("[", r"\[") for cell in row))
    console.print(table)


def as_markdown(fields: Sequence[Field], found: Sequence[Difference], notes: Sequence[str]) -> str:
    """Return the differences as Markdown."""
    parts = [_markdown(FIELDS, field_rows(fields)) if fields else SAME]
    parts += [_markdown(RESULTS, result_rows(found))] if found else []
    return "\n\n".join([*parts, *notes])


def _markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    cells = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def as_json(fields: Sequence[Field], found: Sequence[Difference], notes: Sequence[str]) -> str:
    """Return the differences as JSON; what is not known is null."""
    results = [
        {
            **{key: value for key, value in asdict(one).items() if key != "interval"},
            "difference": one.interval.mean,
            "low": one.interval.low,
            "high": one.interval.high,
        }
        for one in found
    ]
    whole = {"recipe": [asdict(one) for one in fields], "results": results, "notes": list(notes)}
    return json.dumps(_known(whole), ensure_ascii=False, indent=2, allow_nan=False)


def _known(value: Any) -> Any:
    """Return plain values with None in the place of what is no number."""
    if isinstance(value, dict):
        return {key: _known(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_known(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
