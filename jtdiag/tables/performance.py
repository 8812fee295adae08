"""Rows of text with the errors of the ensemble and its members, one for each λ."""

import xarray as xr

from jtdiag import names
from jtdiag.names import lam_text
from jtdiag.stats import plus_minus

HEADINGS = ("λ", "ensemble", "best member", "median member", "worst member", "diversity (nats)")
ERRORS = (
    names.ENSEMBLE_ERROR,
    "best_member_error",
    "median_member_error",
    "worst_member_error",
)
"""Variables between λ and diversity, in the order of `HEADINGS`."""


def performance_rows(result: xr.Dataset, split: str = names.TEST) -> list[tuple[str, ...]]:
    """Return one row per λ: errors in percent and diversity, mean ± SE over trials.

    Args:
        result: Result of the performance probe.
        split: Split to report.
    """
    rows = []
    for lam in sorted(result[names.LAM].values):
        at_lam = result.sel({names.LAM: lam, names.SPLIT: split})
        errors = [_cell(at_lam, name, 100, ".1f", "%") for name in ERRORS]
        rows.append((lam_text(lam), *errors, _cell(at_lam, "diversity", 1, ".2f", "")))
    return rows


def _cell(at_lam: xr.Dataset, name: str, factor: float, form: str, unit: str) -> str:
    mean, se = (factor * float(at_lam[f"{name}_{suffix}"]) for suffix in ("mean", "se"))
    return plus_minus(mean, se, form, unit)
