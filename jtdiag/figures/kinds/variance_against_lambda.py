"""Bias, variance and diversity of the ensemble against λ."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import available, error_bars, style
from jtdiag.figures.contract import FigureKind, Results

TERMS = {
    "average_bias": ("average bias", style.MEMBER, "s", "-"),
    "average_variance": ("average variance", style.PAIR, "^", "-."),
    "diversity": ("diversity", style.LEADER, "D", "--"),
    "expected_loss": ("expected ensemble loss", style.ENSEMBLE, "o", "-"),
}
"""Label, color, marker and line style by variable."""


def draw(results: Results) -> Figure:
    """Draw the result of the variance probe of one run.

    Raises:
        ProbeError: if fewer than two trials store test outputs of the chosen epoch.
    """
    [(_, result)] = results
    message = (
        "Variance needs the test outputs of at least two trials. Train with trials = 2 or more, "
        'keep.outputs = ["best"] and keep.splits = ["test"], or keep more.'
    )
    measured = available.lams(result, "expected_loss", message)
    figure = style.figure(2.8)
    draw_on(measured, figure.add_subplot())
    style.legend(figure)
    return figure


def draw_on(result: xr.Dataset, ax: Axes) -> None:
    """Draw the terms (lam)."""
    lams = result[names.LAM].values
    for name, (label, color, marker, dash) in TERMS.items():
        line = {"color": color, "marker": marker, "linestyle": dash, "label": label}
        mean, se = result[name].values, result[f"{name}_se"].values
        means = error_bars.around(mean, se, result["trials"].values)
        error_bars.draw_log(ax, np.arange(len(lams)), means, **line)
    style.plain_log(ax)
    ax.set_ylabel("Nats")
    style.lam_axis(ax, lams)
    style.end_labels(ax, lams, result)


FIGURE = FigureKind(
    name="variance-against-lambda",
    needs="variance",
    uses=("trials", *(f"{name}{suffix}" for name in TERMS for suffix in ("", "_se"))),
    caption=(
        "Bias, variance and diversity of the ensemble against λ, on the test split. "
        "The expected ensemble loss is the average bias of the members plus their average variance "
        "minus their diversity. Bars show 95 % intervals over trials, from jackknife standard "
        "errors, where there are enough trials. The vertical axis is logarithmic; λs are evenly "
        "spaced. Compare Wood et al. (2023)."
    ),
    draw=draw,
)
