"""Test error of the ensemble with three ways of combining its members."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import available, error_bars, style
from jtdiag.figures.contract import FigureKind, Results
from jtdiag.probing.last_epoch import LAST_EPOCH, at_last_epoch

COMBINERS = {
    "logits_error": ("averaged logits", style.ENSEMBLE, "o"),
    "probabilities_error": ("averaged probabilities", style.LEADER, "s"),
    "vote_error": ("majority vote", style.MEMBER, "^"),
}
"""Label, color and marker by variable."""


def draw(results: Results) -> Figure:
    """Draw the result of the combiners probe of one run.

    Raises:
        ProbeError: if the run stores no outputs on test.
    """
    [(_, result)] = results
    test = result.sel({names.SPLIT: [names.TEST]})
    measured = available.lams(test, "logits_error", available.NO_OUTPUTS)
    figure = style.figure(2.7)
    draw_on(measured, figure.add_subplot())
    style.legend(figure)
    return figure


def draw_on(result: xr.Dataset, ax: Axes) -> None:
    """Draw the error of each combiner that the family supports."""
    test = result.sel({names.SPLIT: names.TEST}).sortby(names.LAM)
    last = at_last_epoch(test, test[LAST_EPOCH])
    lams = last[names.LAM].values
    combiners = [name for name in COMBINERS if last[name].notnull().any()]
    for i, name in enumerate(combiners):
        label, color, marker = COMBINERS[name]
        means = error_bars.in_percent(last[name])
        x = np.arange(len(lams)) + 0.12 * (i - (len(combiners) - 1) / 2)
        line = {"color": color, "marker": marker, "linestyle": "none", "label": label}
        error_bars.draw(ax, x, means, **line)
    style.lam_axis(ax, lams)
    style.end_labels(ax, lams, result)
    ax.set(ylabel=style.error_label(result, "Ensemble test error"))
    ax.margins(y=0.12)
    style.limit_error_axis(ax)


FIGURE = FigureKind(
    name="error-by-combiner",
    needs="combiners",
    uses=("logits_error", "probabilities_error", "vote_error", LAST_EPOCH),
    caption=(
        "Test error of the ensemble against λ, with averaged logits, averaged probabilities and "
        "majority vote. "
        "All three combine the same members, at the last epoch of each trial with stored outputs. "
        "Means over trials; bars show 95 % intervals, none for a single trial. Markers of the same "
        "λ are drawn side by side."
    ),
    draw=draw,
)
