"""Test error of the same members by three combiners against λ: averages of two kinds, and votes.

At the last epoch of which outputs are kept. Points are means over trials, bars standard errors over
trials (absent for a single one). Within a λ the combiners stand beside each other, not to scale.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import available, style

NEEDS = "combiners"
USES = ("logits_error", "probabilities_error", "vote_error")
WAYS = {
    "logits_error": ("averaged logits", style.ENSEMBLE, "o"),
    "probabilities_error": ("averaged probabilities", style.LEADER, "s"),
    "vote_error": ("majority vote", style.MEMBER, "^"),
}


def draw(result: xr.Dataset) -> Figure:
    """Return the figure for a result of the combiners probe.

    Raises:
        ProbeError: if the run has kept no outputs of the test split.
    """
    on_test = result.sel({names.SPLIT: [names.TEST]})
    drawn = available.lams(on_test, "logits_error", available.NO_OUTPUTS)
    figure = style.figure(2.7)
    draw_on(drawn, figure.add_subplot())
    style.legend_of(figure)
    return figure


def draw_on(result: xr.Dataset, ax: Axes) -> None:
    """Draw each combiner that the family has on the axes that the caller gives."""
    on_test = result.sel({names.SPLIT: names.TEST}).sortby(names.LAM)
    kept = on_test["logits_error"].notnull().any((names.LAM, names.TRIAL))
    last = on_test.isel({names.EPOCH: int(np.flatnonzero(kept.values)[-1])})
    lams = last[names.LAM].values
    ways = [name for name in WAYS if last[name].notnull().any()]
    for i, name in enumerate(ways):
        label, colour, marker = WAYS[name]
        values = 100 * last[name]
        count, mean = values.notnull().sum(names.TRIAL), values.mean(names.TRIAL)
        spread = ((values - mean) ** 2).sum(names.TRIAL)
        se = (spread / (count - 1).where(count > 1) / count) ** 0.5
        at = np.arange(len(lams)) + 0.12 * (i - (len(ways) - 1) / 2)
        ax.errorbar(
            at,
            mean.values,
            yerr=se.fillna(0).values,
            color=colour,
            marker=marker,
            markersize=4,
            linestyle="none",
            capsize=2.5,
            label=label,
        )
    style.lam_axis(ax, lams)
    ax.set(ylabel=style.error_label(result, "Test error of the ensemble"))
    ax.margins(y=0.12)
    style.keep_in_sight(ax)
