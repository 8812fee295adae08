"""What each layer knows of labels and inputs, for each λ."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import available, error_bars, panels, style
from jtdiag.figures.contract import FigureKind, Results
from jtdiag.probing.last_epoch import LAST_EPOCH, at_last_epoch

PANELS = (
    ("probe_error", "Linear classifier", "Test error (%)"),
    ("label_information", "Labels", "nHSIC (%)"),
    ("input_information", "Inputs", "nHSIC (%)"),
    ("effective_rank", "Directions", "Effective rank"),
)
"""Variable, title and label of each panel."""
LONG_NAMES = 4
"""Number of layers above which their names are written upwards."""


def draw(results: Results) -> Figure:
    """Draw the result of the probe `layers` of one run.

    Raises:
        ProbeError: if the run stores no checkpoints.
    """
    [(_, result)] = results
    by_lam = available.lams(result, "probe_error", available.NO_CHECKPOINTS)
    of_members = by_lam[[name for name, *_ in PANELS]].mean(names.MEMBER)
    figure, axes = panels.in_rows(len(PANELS), 1.8, share=False, min_width=style.OWN_AXES)
    for ax, (name, title, label) in zip(axes, PANELS, strict=True):
        draw_on(of_members[name], by_lam[LAST_EPOCH], ax)
        ax.set(title=title, ylabel=label)
        ax.set_ylim(bottom=0)
    style.legend(figure)
    return figure


def draw_on(values: xr.DataArray, last: xr.DataArray, ax: Axes) -> None:
    """Draw values (lam, trial, epoch, layer) at the last epoch of each lane, and at epoch 0."""
    layers = [str(name) for name in values["layer"].values]
    x = np.arange(len(layers))
    if 0 in values[names.EPOCH].values:
        untrained = values.sel({names.EPOCH: 0}).mean(names.LAM)
        means = _means(untrained)
        line = {"color": style.QUIET, "linestyle": ":", "marker": "", "label": "before training"}
        error_bars.draw(ax, x, means, **line)
    at_end = at_last_epoch(values, last)
    for lam in values[names.LAM].values:
        at_lam = at_end.sel({names.LAM: lam})
        if at_lam.notnull().any():
            means = _means(at_lam)
            line = style.lam_line(float(lam))
            error_bars.draw(ax, x, means, **line, label=style.lam_text(float(lam)))
    ax.set_xticks(x, layers, rotation=90 if len(layers) > LONG_NAMES else 0)
    ax.margins(x=0.08)


def _means(values: xr.DataArray) -> error_bars.Means:
    """Return means over trials by layer, of fractions in percent."""
    values = values.transpose("layer", names.TRIAL)
    if values.name == "effective_rank":
        return error_bars.over_trials(values)
    mean, low, high = error_bars.in_percent(values)
    return mean, low, np.minimum(high, 100)


FIGURE = FigureKind(
    name="by-depth",
    needs="layers",
    uses=(*(name for name, *_ in PANELS), LAST_EPOCH),
    caption=(
        "What each layer of the members knows, for each λ. Linear classifier: its test error on "
        "the features of each layer; at the head, that of the members themselves. Labels, inputs: "
        "normalized HSIC (ε = 0.01) of the features with them, relative to that of the labels, or "
        "inputs, with themselves. Directions: participation ratio of the covariance. Dotted: the "
        "same networks before training. Means over members and trials at the last epoch of each "
        "trial with a checkpoint; bars show 95 % intervals over trials, none for a single trial. "
        "Compare Alain and Bengio (2016)."
    ),
    draw=draw,
)
