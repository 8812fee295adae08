"""Errors of single members, of their majority vote and of the ensemble against λ."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import available, error_bars, panels, style
from jtdiag.figures.contract import FigureKind, Results

ERRORS = {
    "mean_member_error": ("mean member", style.MEMBER, "s", "-"),
    "majority_error": ("majority vote", style.LEADER, "D", "--"),
    "ensemble_error": ("ensemble", style.ENSEMBLE, "o", "-"),
}
PAIRS = {
    "disagreement": ("two members disagree", style.PAIR, "^", "-"),
    "tandem_loss": ("both are wrong", style.QUIET, "v", "--"),
}
"""Label, color, marker and line style by variable."""


def draw(results: Results) -> Figure:
    """Draw the result of the votes probe of one run.

    Raises:
        ProbeError: if the run stores no test outputs of the chosen epoch.
    """
    [(_, result)] = results
    chosen = result["chosen_epoch"]
    variables = [name for name in FIGURE.uses if name != "chosen_epoch"]
    test = result[variables].sel({names.SPLIT: names.TEST})
    test = test.isel({names.EPOCH: chosen.clip(min=0)}).where(chosen >= 0)
    test["ensemble_error"] = test["mean_member_error"] - test["diversity_effect"]
    measured = available.lams(test, "majority_error", available.NO_OUTPUTS)
    figure, (left, right) = panels.in_rows(2, 2.4, share=False, min_width=style.OWN_AXES)
    draw_on(measured, ERRORS, left)
    left.set_ylabel("Test error (%)")
    style.limit_error_axis(left)
    draw_on(measured, PAIRS, right)
    right.set_ylabel("Test examples (%)")
    for ax in (left, right):
        style.end_labels(ax, measured[names.LAM].values, result)
    style.panel_legends(figure.axes)
    return figure


def draw_on(fractions: xr.Dataset, lines: dict[str, tuple[str, str, str, str]], ax: Axes) -> None:
    """Draw fractions (lam, trial) in percent."""
    lams = fractions[names.LAM].values
    for name, (label, color, marker, dash) in lines.items():
        means = error_bars.in_percent(fractions[name])
        line = {"color": color, "marker": marker, "linestyle": dash, "label": label}
        error_bars.draw(ax, np.arange(len(lams)), means, **line)
    style.lam_axis(ax, lams)
    ax.set_ylim(bottom=0)


FIGURE = FigureKind(
    name="votes-against-lambda",
    needs="votes",
    uses=(
        "mean_member_error",
        "diversity_effect",
        "majority_error",
        "disagreement",
        "tandem_loss",
        "chosen_epoch",
    ),
    caption=(
        "Majority vote of the members compared with the ensemble, against λ, on the test split. "
        "Left: mean error of the members, error of their majority vote, and error of the ensemble, "
        "which averages logits. Right: how often two members disagree, and how often two members, "
        "drawn with replacement, are both wrong (tandem loss). Means over trials at the epoch "
        "chosen on the validation split; bars show 95 % intervals, none for a single trial."
    ),
    draw=draw,
)
