"""Test error against λ and how layers are trained: the map of λ and μ."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import available, heat_map, panels, style
from jtdiag.figures.contract import FigureKind, OtherRunsError, Results
from jtdiag.figures.labels import wrapped
from jtdiag.probing import credit_facts

PANELS = ((names.ENSEMBLE_ERROR, "Ensemble"), ("median_member_error", "Median member"))
CELL = 3.2
"""Width of a cell with its numbers, in widths of the letter m."""
LETTER = 0.45
"""Width of a letter in the name of a row, in widths of the letter m."""
COLUMNS = 10
"""Maximum number of λs where there is room; of more, evenly spaced ones with both ends."""
DARK = 0.6
"""Part of the scale from which text is white."""


def draw(results: Results) -> Figure:
    """Draw the results of the probe `performance` of runs that differ in [modules].

    Raises:
        OtherRunsError: if the runs train layers in the same way, or have a single λ.
    """
    rows = [(label, on_test(result)) for label, result in sorted(results, key=_place)]
    _require_map(rows)
    lams = sorted({float(lam) for _, row in rows for lam in row[names.LAM].values})
    one_member = all(row.attrs.get("members") == 1 for _, row in rows)
    shown = PANELS[:1] if one_member else PANELS
    texts = [wrapped(label) for label, _ in rows]
    label = 1 + LETTER * max(len(line) for text in texts for line in text.split("\n"))
    most = max(2, min(COLUMNS, int((style.columns(1) - label) / CELL)))
    chosen = [
        lams[i] for i in np.linspace(0, len(lams) - 1, min(most, len(lams))).round().astype(int)
    ]
    height = 0.7 + len(rows) * max(0.32, 0.15 * max(1 + text.count("\n") for text in texts))
    figure, axes = panels.in_rows(len(shown), height, min_width=label / 2 + CELL * len(chosen))
    for ax, (name, title) in zip(axes, shown, strict=True):
        draw_on([row for _, row in rows], name, chosen, ax)
        ax.set_title(title)
        ax.set_yticks(range(len(rows)), texts)
    for ax in panels.bottommost(axes):
        ax.set_xlabel(r"$\lambda$")
    figure.supxlabel(f"Test error (%), mean ± standard error ({_counted(rows)})", fontsize="medium")
    return figure


def _place(pair: tuple[str, xr.Dataset]) -> float:
    """Order rows by μ from end to end to local, and then those without a μ, as they were given."""
    return -float(pair[1].attrs.get(credit_facts.MU, -1.0))


def on_test(result: xr.Dataset) -> xr.Dataset:
    """Select the test split, and the λs at which there is an error."""
    test = result.sel({names.SPLIT: names.TEST})
    return test.sel({names.LAM: test[names.ENSEMBLE_ERROR].notnull().any(names.TRIAL).values})


def _require_map(rows: Results) -> None:
    if not all(credit_facts.CREDIT in row.attrs for _, row in rows):
        raise OtherRunsError(credit_facts.OUTDATED)
    differing = {
        (row.attrs[credit_facts.RULE], *(row.attrs.get(name) for name in credit_facts.DEGREES))
        for _, row in rows
    }
    if len(differing) < 2:
        raise OtherRunsError(
            "The map needs runs that differ in [modules], such as in μ: "
            "jtdiag plot RUN RUN lambda-mu. The figure error-against-lambda shows others."
        )
    lams = {float(lam) for _, row in rows for lam in row[names.LAM].values}
    if len(lams) < 2:
        raise OtherRunsError(
            "The map needs two λs or more, and these runs have one; the figure gap compares them."
            if lams
            else available.NOT_TRAINED
        )


def draw_on(rows: Sequence[xr.Dataset], name: str, lams: Sequence[float], ax: Axes) -> None:
    """Draw the means and standard errors of an error, a row for each run, a column for each λ."""
    mean, se = (_cells([row[f"{name}_{part}"] for row in rows], lams) for part in ("mean", "se"))
    low, high = float(np.nanmin(mean)), float(np.nanmax(mean))
    lightest = low - 0.3 * (high - low or 1)
    ax.imshow(mean, cmap="Blues", norm=Normalize(lightest, high), aspect="auto")
    ax.set_xticks(range(len(lams)), [style.lam_tick(lam) for lam in lams])
    heat_map.without_frame(ax)
    dark = lightest + DARK * (high - lightest)
    heat_map.write(mean, _text_of, ax, dark=dark, errors=se)


def _text_of(percent: float) -> str:
    return f"{percent:.1f}"


def _cells(rows: Sequence[xr.DataArray], lams: Sequence[float]) -> np.ndarray:
    """Return values (run, lam) in percent; NaN where a run has no such λ."""
    return np.array([100 * row.reindex({names.LAM: list(lams)}).values for row in rows])


def _counted(rows: Results) -> str:
    """Return the number of trials behind the means."""
    counts = [row[names.ENSEMBLE_ERROR].notnull().sum(names.TRIAL).values for _, row in rows]
    least, most = int(min(map(np.min, counts))), int(max(map(np.max, counts)))
    return f"$n = {least}$" if least == most else f"$n = {least}$ to ${most}$"


FIGURE = FigureKind(
    name="lambda-mu",
    needs="performance",
    uses=(
        names.ENSEMBLE_ERROR,
        *(f"{name}_{part}" for name, _ in PANELS for part in ("mean", "se")),
    ),
    caption=(
        "Test error against λ, which couples members, and μ, which couples layers. "
        "Rows are runs that train layers in different ways, by μ from end to end (1) to local (0), "
        "and below those without a μ; columns are λs. Of many λs, up to 10 evenly spaced ones. "
        "Numbers are errors of the ensemble and of its median member in percent, means and "
        "standard errors over n trials at the epoch chosen on the validation split; one trial has "
        "no standard error. Darker is higher, on a scale for each panel."
    ),
    draw=draw,
    compares=True,
)
