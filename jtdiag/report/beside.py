"""Several runs beside each other: a table of their answers, and differences from the first."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jtdiag import names
from jtdiag.compare import runs as comparing, wording
from jtdiag.report.answer import best_lam, error, listed
from jtdiag.report.evidence import Evidence
from jtdiag.report.tables import Table
from jtdiag.report.tolerance import may_fail


@dataclass(frozen=True, kw_only=True)
class Beside:
    """How several runs compare."""

    headline: str
    tables: list[Table]
    notes: list[str]
    figures: Sequence[Any]
    """Those that hold several runs."""
    left_out: Sequence[tuple[str, str]]
    """Such figures that are not there, and why."""


def beside(
    known: Sequence[Evidence], figures: Sequence[Any], left_out: Sequence[tuple[str, str]]
) -> Beside:
    """Return the runs' answers as one table, and how each differs from the first.

    Args:
        known: Two runs or more.
        figures: That the page shows with them.
        left_out: Figures that it does not, and why.
    """
    made, notes = [_answers(known)], []
    first = known[0]
    for other in known[1:]:
        if "performance" not in first.results or "performance" not in other.results:
            continue
        of = f"{other.name} (B) against {first.name} (A)"
        fields = comparing.fields(first.run, other.run)
        if fields:
            rows = wording.field_rows(fields)
            headings = wording.FIELDS
            made.append(Table(caption=f"Recipes: {of}", headings=headings, rows=rows))
        results = [one.results["performance"] for one in (first, other)]
        found = comparing.differences(first.run, other.run, *results)
        if found:
            rows = wording.result_rows(found)
            caption = f"Results on test: {of}"
            made.append(Table(caption=caption, headings=wording.RESULTS, rows=rows))
        notes += [f"{of}: {note}" for note in wording.notes(first.run, other.run, found)]
    return Beside(
        headline=_headline(known), tables=made, notes=notes, figures=figures, left_out=left_out
    )


def _lowest(evidence: Evidence) -> tuple[float, float]:
    """Return a run's lowest mean test error and its λ; infinite where none is known."""
    result = evidence.results.get("performance")
    best = None if result is None else best_lam(result)
    if result is None or best is None:
        return math.inf, math.nan
    at = result.sel({names.LAM: best, names.SPLIT: names.TEST})
    return float(at["ensemble_error_mean"]), best


def _headline(known: Sequence[Evidence]) -> str:
    """Say which run has the lowest test error, and by how much the others are above it."""
    order = sorted(known, key=lambda one: _lowest(one)[0])
    if not math.isfinite(_lowest(order[0])[0]):
        return "Which run is best is not known yet: ask the probe performance of each."
    said = [
        f"{one.name} {error(one.results['performance'], _lowest(one)[1])} at λ = "
        f"{_lowest(one)[1]:g}"
        for one in order
        if math.isfinite(_lowest(one)[0])
    ]
    if len({one.run.recipe.data.name for one in known}) > 1:
        return f"The runs are of different data; their lowest test errors: {listed(said)}."
    others = f"; {listed(said[1:])}" if len(said) > 1 else ""
    return f"Lowest test error of all runs: {said[0]}{others}."


def _answers(known: Sequence[Evidence]) -> Table:
    headings = ("run", "members", "best λ", "test error there", "members that may fail there")
    rows = []
    for one in known:
        best = _lowest(one)[1]
        if math.isnan(best):
            rows.append((one.name, str(one.members), "not known", "not known", "not known"))
            continue
        where = error(one.results["performance"], best)
        rows.append((one.name, str(one.members), f"{best:g}", where, _may_fail(one, best)))
    caption = "The runs: which λ is best, and what the ensemble bears there"
    return Table(caption=caption, headings=headings, rows=rows)


def _may_fail(evidence: Evidence, lam: float) -> str:
    if "robustness" not in evidence.results or evidence.members < 2:
        return "not known"
    at = evidence.results["robustness"].sel({names.LAM: lam, "subsets": "shared"})
    known = math.isfinite(float(at["tolerated_fraction_mean"]))
    return may_fail(at, evidence.members)[2] if known else "not known"
