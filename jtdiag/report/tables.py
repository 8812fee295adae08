"""Tables of a report: rows of text from results."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.names import lam_text
from jtdiag.report import wording
from jtdiag.report.evidence import Evidence
from jtdiag.stats import Interval, standard_error
from jtdiag.tables.performance import HEADINGS, performance_rows


@dataclass(frozen=True, kw_only=True)
class ReportTable:
    """Rows under headings; the first column names its row."""

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(evidence: Evidence) -> list[ReportTable]:
    """Return the tables of errors, differences, removal and calibration that have results."""
    makers = (
        ("performance", _performance),
        ("performance", _differences),
        ("robustness", _removal),
        ("calibration", _calibration),
    )
    made = [make(evidence.results[probe]) for probe, make in makers if probe in evidence.results]
    return [table for table in made if table.rows]


def _performance(result: xr.Dataset) -> ReportTable:
    """Return the test errors by λ; no rows if none was measured, as in some recorded runs."""
    measured = _measured(result.sel({names.SPLIT: names.TEST}), "ensemble_error_mean")
    return ReportTable(
        caption=wording.performance_caption(result.sizes[names.TRIAL]),
        headings=HEADINGS,
        rows=performance_rows(result) if measured else (),
    )


def _differences(result: xr.Dataset) -> ReportTable:
    """Compare every λ with the best, from the intervals of the result; no rows for a single λ."""
    on_test = result.sel({names.SPLIT: names.TEST})
    best = float(on_test["optimum"])
    rows = []
    for lam in _measured(on_test, "difference_mean"):
        row = on_test.sel({names.LAM: lam})
        points = Interval(*(float(row[f"difference_{end}"]) for end in ("mean", "low", "high")))
        rows.append(
            wording.best_row(lam)
            if lam == best
            else wording.difference_row(
                lam,
                points.scaled(100),
                worse=not bool(row["best_set"]),
                trials=int(row["paired_trials"]),
            )
        )
    return ReportTable(
        caption=wording.DIFFERENCES,
        headings=wording.DIFFERENCE_HEADINGS,
        rows=rows if len(rows) > 1 else (),
    )


def _removal(result: xr.Dataset) -> ReportTable:
    shared = result.sel(subsets="shared")
    half = shared.sizes[names.DROPPED] // 2
    rows = []
    for lam in _measured(shared, "accuracy_mean"):
        row = shared.sel({names.LAM: lam})
        rows.append(
            (
                lam_text(lam),
                _percent(row, "accuracy", {names.DROPPED: 0}),
                _percent(row, "accuracy", {names.DROPPED: half}),
                _percent(row, "accuracy_worst", {names.DROPPED: half}),
                _percent(row, "tolerated_fraction"),
            )
        )
    exact = bool(result.attrs.get("exact", 0))
    return ReportTable(
        caption=wording.removal_caption(result.sizes[names.TRIAL]),
        headings=wording.removal_headings(half, exact=exact),
        rows=rows,
    )


def _calibration(result: xr.Dataset) -> ReportTable:
    test = result.sel({names.SPLIT: names.TEST})
    rows = []
    for lam in _measured(test, "ensemble_ece"):
        row = test.sel({names.LAM: lam})
        errors = [
            _over_trials(row[name], 100, ".1f", "%")
            for name in ("ensemble_ece", "ensemble_ece_by_chance", "ensemble_ece_scaled")
        ]
        temperature = _over_trials(row["ensemble_temperature"], 1, ".2f", "")
        brier = _over_trials(row["ensemble_brier"], 1, ".3f", "")
        rows.append((lam_text(lam), *errors, temperature, brier))
    return ReportTable(
        caption=wording.calibration_caption(result.sizes[names.TRIAL]),
        headings=wording.CALIBRATION_HEADINGS,
        rows=rows,
    )


def _measured(result: xr.Dataset, name: str) -> list[float]:
    """Return the λs, ascending, at which a variable was measured."""
    values = result[name]
    measured = values.notnull().any([dim for dim in values.dims if dim != names.LAM])
    return sorted(float(lam) for lam in result[names.LAM].values[measured.values])


def _percent(row: xr.Dataset, name: str, where: dict[str, int] | None = None) -> str:
    mean, se = (100 * float(row[f"{name}_{part}"].sel(where or {})) for part in ("mean", "se"))
    return wording.cell(mean, se)


def _over_trials(values: xr.DataArray, factor: float, form: str, unit: str) -> str:
    trials = factor * values.dropna(names.TRIAL).values
    mean = float(trials.mean()) if trials.size else np.nan
    return wording.cell(mean, float(standard_error(trials)), form, unit)
