"""What of the ensemble's loss is bias, variance and diversity, against λ, on test.

The ensemble's expected loss is the members' bias plus their variance minus their diversity. Bars
are standard errors over trials (jackknife; absent where they are too few). The axis is logarithmic,
and λ spaced evenly. Compare Wood et al. 2023.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import available, means, style

NEEDS = "variance"
TERMS = {
    "average_bias": ("members' bias", style.MEMBER, "s", "-"),
    "average_variance": ("members' variance", style.PAIR, "^", "-."),
    "diversity": ("diversity", style.LEADER, "D", "--"),
    "expected_loss": ("ensemble's loss", style.ENSEMBLE, "o", "-"),
}
"""Label, colour, marker and line."""
USES = tuple(f"{name}{what}" for name in TERMS for what in ("", "_se"))


def draw(result: xr.Dataset) -> Figure:
    """Return the figure for a result of the variance probe.

    Raises:
        ProbeError: if not two trials have kept outputs of the test split at the chosen epoch.
    """
    missing = (
        "Variance needs outputs on test of two trials or more. Train with trials = 2 or more, "
        'keep.outputs = ["best"] and keep.splits = ["test"] or more.'
    )
    drawn = available.lams(result, "expected_loss", missing)
    figure = style.figure(2.8)
    draw_on(drawn, figure.add_subplot())
    style.legend_of(figure)
    return figure


def draw_on(result: xr.Dataset, ax: Axes) -> None:
    """Draw the terms (lam) on the axes that the caller gives."""
    for name, (label, colour, marker, line) in TERMS.items():
        mean = result[name].where(result[name] > 0).values
        # A bar down to 0 or less has no place on a logarithmic scale.
        error = np.minimum(result[f"{name}_se"].values, 0.9 * mean)
        look = {"color": colour, "marker": marker, "linestyle": line}
        means.draw(ax, mean, error, 1, label=label, **look)
    style.plain_log(ax)
    ax.set_ylabel("Nats")
    lams = result[names.LAM].values
    style.lam_axis(ax, lams)
    style.end_names(ax, lams)
