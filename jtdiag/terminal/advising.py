"""What `jtdiag advise` prints: the contenders, the answer, files, and what to do next."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from jtdiag.advising.advice import Advice, best_first
from jtdiag.advising.standing import Standing
from jtdiag.names import lam_text
from jtdiag.printable import shell_word
from jtdiag.stats import Interval, plus_minus, standard_error
from jtdiag.terminal import wording
from jtdiag.terminal.console import Console
from jtdiag.terminal.echo import echo
from jtdiag.terminal.output_style import OutputStyle
from jtdiag.terminal.plain_values import finite, json_line

HEADINGS = ("candidate", "width", "trials", "validation error (%)", "difference", "")


def print_advice(advice: Advice, style: OutputStyle) -> None:
    """Print the contenders, the answer in words, the files, and the next commands."""
    if style == "json":
        echo(json_line(_plain(advice)))
    if style in ("json", "quiet"):
        return
    contenders = [standing for standing in advice.standings if len(standing.errors)]
    if contenders:
        Console().print(_table(best_first(contenders)))
    if advice.figures:
        echo(wording.files(advice.figures))
    for sentence in advice.sentences:
        echo(sentence)
    if advice.recipe is not None:
        recipe = shell_word(advice.recipe)
        echo(wording.next_commands([f"jtdiag train {recipe}"]))


def _table(standings: Sequence[Standing]) -> Table:
    table = Table(title=wording.candidates_title())
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in ("candidate", "") else "right")
    for standing in standings:
        table.add_row(*map(Text, _row(standing)))
    return table


def _row(standing: Standing) -> tuple[str, ...]:
    error, candidate = 100 * standing.errors, standing.candidate
    difference = standing.difference
    return (
        candidate.label,
        str(candidate.width),
        str(len(standing.errors)),
        plus_minus(float(error.mean()), float(standard_error(error)), ".2f"),
        wording.difference_in_points(difference) if difference is not None else "",
        standing.state,
    )


def _plain(advice: Advice) -> dict[str, object]:
    plain: dict[str, object] = finite(
        {
            "advice": str(advice.folder),
            "ended": advice.ended,
            "answer": advice.sentences,
            "recommended": advice.recommended.candidate.name if advice.recommended else None,
            "validation": _ends(advice.validation),
            "test": _ends(advice.test),
            "candidates": [_plain_standing(standing) for standing in advice.standings],
            "recipe": None if advice.recipe is None else str(advice.recipe),
            "figures": [str(path) for path in advice.figures],
        }
    )
    return plain


def _plain_standing(standing: Standing) -> dict[str, object]:
    candidate = standing.candidate
    return {
        "name": candidate.name,
        "members": candidate.members,
        "lam": lam_text(candidate.lam),
        "scheme": candidate.scheme,
        "width": candidate.width,
        "parameters": candidate.parameters,
        "state": standing.state,
        "errors": [float(error) for error in standing.errors],
        "difference": None if standing.difference is None else _ends(standing.difference),
    }


def _ends(interval: Interval) -> dict[str, float]:
    return {"mean": interval.mean, "low": interval.low, "high": interval.high}
