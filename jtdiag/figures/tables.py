"""Tables of results: rows of text, for whoever prints them."""

import numpy as np
import xarray as xr

from jtdiag import names

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
