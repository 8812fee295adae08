"""A table for a paper, and its formats: LaTeX, Markdown and CSV."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jtdiag.stats import plus_minus
from jtdiag.tables.escaping import comment, csv_cell, latex, line, markdown

SISETUP = "separate-uncertainty, detect-weight, retain-zero-uncertainty"
"""Options of siunitx with which the LaTeX tables are typeset."""


@dataclass(frozen=True)
class Number:
    """A mean with its standard error, which is NaN if there is none."""

    mean: float
    se: float = np.nan


Cell = Number | str | None
"""None for an empty cell."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of text and numbers."""

    name: str
    """Name for the LaTeX label."""
    caption: str
    """In LaTeX, λ is set in math mode."""
    columns: tuple[str, ...]
    """Headings, without the column of row names."""
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    """Name and cells of each row."""
    origin: str
    """What the table was made from."""
    decimals: int = 2
    lowest: bool = True
    """Whether the lowest number of each row is set in bold."""

    def best(self, cells: tuple[Cell, ...]) -> set[int]:
        """Return the indices of the lowest numbers of a row, after rounding."""
        rounded = {
            i: round(cell.mean, self.decimals)
            for i, cell in enumerate(cells)
            if isinstance(cell, Number)
        }
        if not self.lowest or len(rounded) < 2:
            return set()
        return {i for i, mean in rounded.items() if mean == min(rounded.values())}


def as_csv(table: Table) -> str:
    """Return the table as CSV, with separate columns for means and standard errors."""
    text = io.StringIO()
    text.write(f"# {line(table.caption)} {line(table.origin)}\n")
    writer = csv.writer(text, lineterminator="\n")
    numeric = [
        any(isinstance(cells[i], Number) for _, cells in table.rows)
        for i in range(len(table.columns))
    ]
    headings = [
        [c, f"{c} (s.e.)"] if n else [c] for c, n in zip(table.columns, numeric, strict=True)
    ]
    writer.writerow(["", *(csv_cell(heading) for pair in headings for heading in pair)])
    for name, cells in table.rows:
        texts: list[str] = []
        for cell, has_se in zip(cells, numeric, strict=True):
            texts += _plain(cell)[: 1 + has_se]
        writer.writerow([csv_cell(name), *texts])
    return text.getvalue()


def _plain(cell: Cell) -> list[str]:
    if isinstance(cell, Number):
        return [f"{cell.mean:.6g}", f"{cell.se:.6g}" if np.isfinite(cell.se) else ""]
    return [csv_cell(cell or ""), ""]


def as_markdown(table: Table) -> str:
    """Return the table as Markdown, with the lowest numbers in bold."""

    def show(cell: Cell, bold: bool) -> str:
        if not isinstance(cell, Number):
            return markdown(cell or "")
        text = plus_minus(cell.mean, cell.se, f".{table.decimals}f")
        return f"**{text}**" if bold else text

    lines = [["", *map(markdown, table.columns)], ["---", *["---:"] * len(table.columns)]]
    for name, cells in table.rows:
        best = table.best(cells)
        lines.append([markdown(name), *(show(cell, i in best) for i, cell in enumerate(cells))])
    rows = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"{markdown(table.caption)}\n\n{rows}\n\n<!-- {comment(table.origin)} -->\n"


def as_latex(table: Table) -> str:
    """Return the table for LaTeX with booktabs and siunitx, with the lowest numbers in bold.

    All numbers have the same number of decimals, so that right-aligned columns line up. Standard
    errors are in the notation of siunitx: 11.57(5) means 11.57 ± 0.05.
    """

    def show(cell: Cell, bold: bool) -> str:
        if not isinstance(cell, Number):
            return latex(cell or "")
        se = f"({cell.se * 10**table.decimals:.0f})" if np.isfinite(cell.se) else ""
        number = rf"\num{{{cell.mean:.{table.decimals}f}{se}}}"
        return rf"\textbf{{{number}}}" if bold else number

    lines = []
    for name, cells in table.rows:
        best = table.best(cells)
        texts = [show(cell, i in best) for i, cell in enumerate(cells)]
        lines.append(" & ".join([latex(name), *texts]) + r" \\")
    headings = " & ".join(["", *map(latex, table.columns)])
    return "\n".join(
        [
            f"% {comment(table.origin)}",
            r"% \usepackage{booktabs, siunitx}",
            rf"% \sisetup{{{SISETUP}}}",
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{latex(table.caption)}}}",
            rf"  \label{{tab:{table.name}}}",
            rf"  \begin{{tabular}}{{l{'r' * len(table.columns)}}}",
            r"    \toprule",
            rf"    {headings} \\".replace("     &", "    &"),
            r"    \midrule",
            *(f"    {row}" for row in lines),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


FORMATS: dict[str, Callable[[Table], str]] = {
    "latex": as_latex,
    "markdown": as_markdown,
    "csv": as_csv,
}
