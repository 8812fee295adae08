"""Tables of results: rows of text, for whoever prints them, and whole tables for a paper."""

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from jtdiag import names

SISETUP = "separate-uncertainty, detect-weight, retain-zero-uncertainty"
HEADINGS = ("λ", "ensemble", "best member", "median member", "worst member", "diversity (nats)")


def performance_rows(result: xr.Dataset, split: str = names.TEST) -> list[tuple[str, ...]]:
    """Return a row for each λ: errors in percent and diversity, mean ± standard error over trials.

    Args:
        result: Of the performance probe.
        split: Split to report.
    """
    rows = []
    for lam in sorted(result[names.LAM].values):
        at = result.sel({names.LAM: lam, names.SPLIT: split})
        errors = (
            names.ENSEMBLE_ERROR,
            "best_member_error",
            "median_member_error",
            "worst_member_error",
        )
        cells = [_cell(at, name, 100, ".1f", " %") for name in errors]
        rows.append((f"{lam:g}", *cells, _cell(at, "diversity", 1, ".2f", "")))
    return rows


def _cell(at: xr.Dataset, name: str, factor: float, form: str, unit: str) -> str:
    mean, se = factor * float(at[f"{name}_mean"]), factor * float(at[f"{name}_se"])
    doubt = f" ± {se:{form}}" if np.isfinite(se) else ""
    return f"{mean:{form}}{doubt}{unit}"


@dataclass(frozen=True)
class Number:
    """A number of a table, with its standard error if it is known."""

    mean: float
    se: float = np.nan


Cell = Number | str | None
"""None where nothing is known."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of a paper: words and numbers by row and column."""

    name: str
    """For LaTeX's label."""
    caption: str
    """λ in it is written as mathematics in LaTeX."""
    columns: tuple[str, ...]
    """Headings, without that of the rows' names."""
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    """Name and cells of each."""
    origin: str
    """What it was made from."""
    decimals: int = 2
    lowest: bool = True
    """Whether the lowest number of a row stands out."""

    def best(self, cells: tuple[Cell, ...]) -> set[int]:
        """Return the places of a row's lowest numbers, as they are printed."""
        shown = {
            i: round(cell.mean, self.decimals)
            for i, cell in enumerate(cells)
            if isinstance(cell, Number)
        }
        if not self.lowest or len(shown) < 2:
            return set()
        return {i for i, mean in shown.items() if mean == min(shown.values())}


def as_csv(table: Table) -> str:
    """Return a line for each row: a column for each mean, and one for its standard error."""
    text = io.StringIO()
    text.write(f"# {table.caption} {table.origin}\n")
    rows = csv.writer(text, lineterminator="\n")
    doubtful = [
        any(isinstance(cells[i], Number) for _, cells in table.rows)
        for i in range(len(table.columns))
    ]
    heads = [[c, f"{c} (s.e.)"] if d else [c] for c, d in zip(table.columns, doubtful, strict=True)]
    rows.writerow(["", *(head for pair in heads for head in pair)])
    for name, cells in table.rows:
        line: list[str] = []
        for cell, twice in zip(cells, doubtful, strict=True):
            line += _plain(cell)[: 1 + twice]
        rows.writerow([name, *line])
    return text.getvalue()


def _plain(cell: Cell) -> list[str]:
    if isinstance(cell, Number):
        return [f"{cell.mean:.6g}", f"{cell.se:.6g}" if np.isfinite(cell.se) else ""]
    return [cell or "", ""]


def as_markdown(table: Table) -> str:
    """Return the table in Markdown, its lowest numbers in bold."""

    def show(cell: Cell, bold: bool) -> str:
        if not isinstance(cell, Number):
            return cell or ""
        doubt = f" ± {cell.se:.{table.decimals}f}" if np.isfinite(cell.se) else ""
        text = f"{cell.mean:.{table.decimals}f}{doubt}"
        return f"**{text}**" if bold else text

    lines = [["", *table.columns], ["---", *["---:"] * len(table.columns)]]
    for name, cells in table.rows:
        best = table.best(cells)
        lines.append([name, *(show(cell, i in best) for i, cell in enumerate(cells))])
    rows = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table.caption}\n\n{rows}\n\n<!-- {table.origin} -->\n"


def as_latex(table: Table) -> str:
    """Return the table for LaTeX with booktabs and siunitx, its lowest numbers in bold.

    All numbers have as many decimals, so that columns set to the right stand below each other.
    Standard errors are given as siunitx reads them: 11.57(5) is 11.57 ± 0.05.
    """

    def show(cell: Cell, bold: bool) -> str:
        if not isinstance(cell, Number):
            return escaped(cell or "")
        doubt = f"({cell.se * 10**table.decimals:.0f})" if np.isfinite(cell.se) else ""
        number = rf"\num{{{cell.mean:.{table.decimals}f}{doubt}}}"
        return rf"\textbf{{{number}}}" if bold else number

    lines = []
    for name, cells in table.rows:
        best = table.best(cells)
        shown = [show(cell, i in best) for i, cell in enumerate(cells)]
        lines.append(" & ".join([escaped(name), *shown]) + r" \\")
    heads = " & ".join(["", *map(escaped, table.columns)])
    return "\n".join(
        [
            f"% {table.origin}",
            r"% \usepackage{booktabs, siunitx}",
            rf"% \sisetup{{{SISETUP}}}",
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{escaped(table.caption)}}}",
            rf"  \label{{tab:{table.name}}}",
            rf"  \begin{{tabular}}{{l{'r' * len(table.columns)}}}",
            r"    \toprule",
            rf"    {heads} \\".replace("     &", "    &"),
            r"    \midrule",
            *(f"    {line}" for line in lines),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


_ESCAPES = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "λ": r"$\lambda$",
    "±": r"$\pm$",
    "×": r"$\times$",
}


def escaped(text: str) -> str:
    """Return text as LaTeX would print it, λ = 0.5 as one piece of mathematics."""
    words = "".join(_ESCAPES.get(sign, sign) for sign in text)
    return re.sub(r"\$\\lambda\$ = ([\d.]+)", r"$\\lambda = \1$", words)


FORMATS: dict[str, Callable[[Table], str]] = {
    "latex": as_latex,
    "markdown": as_markdown,
    "csv": as_csv,
}
