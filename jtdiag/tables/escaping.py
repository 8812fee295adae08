"""Text in tables: names of runs and recipes cannot change a document or be carried out."""

import re

from jtdiag.printable import printable

_LATEX = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "λ": r"$\lambda$",
    "±": r"$\pm$",
    "×": r"$\times$",
}
_MARKDOWN = re.compile(r"([\\`*\[\]<>|]|(?<!\w)_|_(?!\w))")
"""An underscore within a word does not begin or end emphasis."""
_FORMULA = ("=", "+", "-", "@")


def line(text: str) -> str:
    """Return text on one line without control characters."""
    return " ".join(printable(text).replace("\n", r"\n").split())


def latex(text: str) -> str:
    """Escape text for LaTeX, with λ = 0.5 in math mode."""
    escaped = "".join(_LATEX.get(character, character) for character in line(text))
    return re.sub(r"\$\\lambda\$ = ([\d.]+(?:e-\d+)?)", _lambda, escaped)


def _lambda(match: re.Match[str]) -> str:
    factor, exponent, power = match[1].partition("e")
    if not exponent:
        return rf"$\lambda = {factor}$"
    times = "" if factor == "1" else rf"{factor} \times "
    return rf"$\lambda = {times}10^{{{int(power)}}}$"


def markdown(text: str) -> str:
    """Escape text for Markdown, without links, HTML and emphasis."""
    return _MARKDOWN.sub(r"\\\1", line(text))


def csv_cell(text: str) -> str:
    """Return a cell of a CSV file that no spreadsheet takes for a formula.

    Text that begins like a formula gets an apostrophe in front, as spreadsheets show text; numbers
    are unchanged.
    """
    text = line(text)
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def comment(text: str) -> str:
    """Return text that does not end a comment, in LaTeX or in HTML."""
    return re.sub(r"-(?=-)", "- ", line(text))
