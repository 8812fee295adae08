"""Several runs side by side: a table of their best λs, and differences from the first run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jtdiag import names
from jtdiag.compare import runs as comparison, wording as compare_wording
from jtdiag.names import lam_text
from jtdiag.probing import lane_states
from jtdiag.probing.findings import Finding
from jtdiag.report import layers, wording
from jtdiag.report.answer import at_best_lam
from jtdiag.report.evidence import Evidence
from jtdiag.report.tables import ReportTable
from jtdiag.stats import mean_interval, with_interval


@dataclass(frozen=True, kw_only=True)
class SeveralRuns:
    """How several runs compare."""

    headline: str
    tables: list[ReportTable]
    notes: list[str]
    figures: Sequence[Any]
    """Those that show several runs."""
    left_out: Sequence[tuple[str, str]]
    """Names of such figures that could not be drawn, and why."""


def compare(
    runs: Sequence[Evidence], figures: Sequence[Any], left_out: Sequence[tuple[str, str]]
) -> SeveralRuns:
    """Return the best λs of the runs as one table, and how each differs from the first.

    Args:
        runs: Two or more.
        figures: To show with them.
        left_out: Names of figures that could not be drawn, and why.
    """
    tables, notes = [_best_lams(runs)], []
    first = runs[0]
    for run in runs[1:]:
        if "performance" not in first.results or "performance" not in run.results:
            continue
        fields = comparison.fields(first.run, run.run)
        if fields:
            caption = wording.recipes_caption(run.name, first.name)
            rows = compare_wording.field_rows(fields)
            tables.append(ReportTable(caption=caption, headings=compare_wording.FIELDS, rows=rows))
        results = [evidence.results["performance"] for evidence in (first, run)]
        differences = comparison.differences(first.run, run.run, *results)
        if differences:
            caption = wording.results_caption(run.name, first.name)
            rows = compare_wording.result_rows(differences)
            tables.append(ReportTable(caption=caption, headings=compare_wording.RESULTS, rows=rows))
        remarks = comparison.notes(first.run, run.run, differences)
        notes += [f"{wording.versus(run.name, first.name)}: {remark}" for remark in remarks]
    notes += layers.of_runs(runs)
    return SeveralRuns(
        headline=headline(runs), tables=tables, notes=notes, figures=figures, left_out=left_out
    )


def _best(evidence: Evidence) -> Finding | None:
    return evidence.first("performance", "best-lambda")


def _error(evidence: Evidence, lam: float) -> str:
    """Return the test error of the ensemble at a λ with its standard error, for a table."""
    row = evidence.results["performance"].sel({names.LAM: lam, names.SPLIT: names.TEST})
    mean, se = (100 * float(row[f"{names.ENSEMBLE_ERROR}_{part}"]) for part in ("mean", "se"))
    return wording.cell(mean, se)


def _error_with_interval(evidence: Evidence, lam: float) -> str:
    """Return the test error of the ensemble at a λ, with its 95 % interval over trials."""
    row = evidence.results["performance"].sel({names.LAM: lam, names.SPLIT: names.TEST})
    interval = mean_interval(row[names.ENSEMBLE_ERROR].values).within(0, np.inf)
    return with_interval(interval.scaled(100), ".1f", "%")


def headline(runs: Sequence[Evidence]) -> str:
    """Return which runs diverged or learned nothing, and the lowest test error of each run."""
    best = [(evidence, finding) for evidence in runs if (finding := _best(evidence)) is not None]
    best.sort(key=lambda pair: pair[1].number)
    errors = [
        wording.run_error(evidence.name, _error_with_interval(evidence, finding.lam), finding.lam)
        for evidence, finding in best
        if finding.lam is not None
    ]
    lost = [
        wording.run_lost(evidence.name, finding.headline)
        for evidence in runs
        for finding in evidence.findings
        if finding.probe == lane_states.SOURCE and finding.rule in ("diverged", "nothing-learned")
    ]
    same = all(comparison.same_data(runs[0].run, other.run) for other in runs[1:])
    text = wording.runs_headline(errors, lost, same_data=same)
    return f"{text} {_difference(best)}".strip() if same else text


def _difference(best: Sequence[tuple[Evidence, Finding]]) -> str:
    """Return how the lowest errors of two runs differ; nothing for another number of runs."""
    measured = [
        (evidence.run, evidence.results["performance"], finding.lam)
        for evidence, finding in best
        if finding.lam is not None
    ]
    if len(measured) != 2:
        return ""
    difference = comparison.between(measured[0], measured[1]).scaled(100)
    return wording.runs_difference(best[0][0].name, difference)


def _best_lams(runs: Sequence[Evidence]) -> ReportTable:
    rows = []
    for evidence in runs:
        finding = _best(evidence)
        lam = None if finding is None else finding.lam
        cells = (wording.NOT_MEASURED,) * 3
        if lam is not None:
            cells = (lam_text(lam), _error(evidence, lam), _tolerance(evidence))
        rows.append((evidence.name, str(evidence.members), *cells))
    return ReportTable(caption=wording.RUNS, headings=wording.RUN_HEADINGS, rows=rows)


def _tolerance(evidence: Evidence) -> str:
    finding = at_best_lam(evidence, "robustness", "tolerance")
    return wording.NOT_MEASURED if finding is None else finding.headline
