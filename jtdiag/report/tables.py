"""Tables of a report: rows of text from results."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import xarray as xr

from jtdiag import names
from jtdiag.report.evidence import Evidence
from jtdiag.tables.performance import HEADINGS, performance_rows


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under headings; the first column names its row."""

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(evidence: Evidence) -> list[Table]:
    """Return a table for each of these probes that has been asked: errors, removal, calibration."""
    makers = {"performance": _performance, "robustness": _robustness, "calibration": _calibration}
    made = [
        make(evidence.results[name]) for name, make in makers.items() if name in evidence.results
    ]
    return [table for table in made if table.rows]


def _performance(result: xr.Dataset) -> Table:
    return Table(
        caption="Test error at the epoch that validation chose, mean ± standard error over trials",
        headings=HEADINGS,
        rows=performance_rows(result),
    )


def _robustness(result: xr.Dataset) -> Table:
    shared = result.sel(subsets="shared")
    half = shared.sizes[names.DROPPED] // 2
    rows = []
    for lam in _known(shared, "accuracy_mean"):
        at = shared.sel({names.LAM: lam})
        rows.append(
            (
                f"{lam:g}",
                _percent(at, "accuracy", {names.DROPPED: 0}),
                _percent(at, "accuracy", {names.DROPPED: half}),
                _percent(at, "accuracy_worst", {names.DROPPED: half}),
                _percent(at, "tolerated_fraction"),
            )
        )
    headings = (
        "λ",
        "all members",
        f"{half} missing at random",
        f"{half} missing, worst found",
        "may be missing for less than a point",
    )
    caption = "Test accuracy when members are missing, mean ± standard error over trials"
    return Table(caption=caption, headings=headings, rows=rows)


def _calibration(result: xr.Dataset) -> Table:
    columns = {
        "calibration error": "ensemble_ece",
        "by chance": "ensemble_ece_by_chance",
        "after scaling": "ensemble_ece_scaled",
    }
    test = result.sel({names.SPLIT: names.TEST})
    rows = []
    for lam in _known(test, "ensemble_ece"):
        at = test.sel({names.LAM: lam})
        cells = [_over_trials(at[name], 100, ".1f", " %") for name in columns.values()]
        scale = _over_trials(at["ensemble_temperature"], 1, ".2f", "")
        brier = _over_trials(at["ensemble_brier"], 1, ".3f", "")
        rows.append((f"{lam:g}", *cells, scale, brier))
    return Table(
        caption="Calibration of the ensemble on test, mean ± standard error over trials",
        headings=("λ", *columns, "temperature", "Brier score"),
        rows=rows,
    )


def _known(result: xr.Dataset, name: str) -> list[float]:
    """Return the λs, ascending, at which a variable was measured."""
    values = result[name]
    known = values.notnull().any([dim for dim in values.dims if dim != names.LAM])
    return sorted(float(lam) for lam in result[names.LAM].values[known.values])


def _percent(at: xr.Dataset, name: str, where: dict[str, int] | None = None) -> str:
    mean, se = (float(at[f"{name}_{what}"].sel(where or {})) for what in ("mean", "se"))
    return _text(100 * mean, 100 * se, ".1f", " %")


def _over_trials(values: xr.DataArray, factor: float, form: str, unit: str) -> str:
    known = values.dropna(names.TRIAL).values
    se = known.std(ddof=1) / math.sqrt(known.size) if known.size > 1 else math.nan
    return _text(factor * known.mean() if known.size else math.nan, factor * se, form, unit)


def _text(mean: float, se: float, form: str, unit: str) -> str:
    if not math.isfinite(mean):
        return "not known"
    return f"{mean:{form}}{f' ± {se:{form}}' if math.isfinite(se) else ''}{unit}"
