"""Test error of new heads against the number of labels, for each λ."""

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from jtdiag import names
from jtdiag.figures import available, error_bars, labels, panels, style
from jtdiag.figures.contract import FigureKind, Results

LAYERS = 4
"""Largest number of hidden layers with a line, evenly spaced with the first and the last."""
LEAST_RATIO = 3.0
"""All labels are drawn at this many times the largest smaller number, at least."""
CONTROL = {"color": style.QUIET, "marker": ""}


def draw(results: Results) -> Figure:
    """Draw the result of the probe `labels` of one run.

    Raises:
        ProbeError: if the run stores no checkpoints.
    """
    [(_, result)] = results
    shown = available.lams(result, "label_error", available.NO_CHECKPOINTS)
    figure, axes = panels.by_lam(shown[names.LAM].values, 2.1)
    for panel, lam in zip(axes, shown[names.LAM].values, strict=True):
        draw_on(shown.sel({names.LAM: lam}), panel)
    for panel in panels.leftmost(axes):
        panel.set_ylabel("Test error (%)")
    for panel in panels.bottommost(axes):
        panel.set_xlabel("Labels a class")
    axes[0].set_ylim(bottom=0)
    style.legend(figure)
    return figure


def draw_on(at_lam: xr.Dataset, ax: Axes) -> None:
    """Draw the lines of one λ: hidden layers, and the controls dashed."""
    x = numbers_of_labels(at_lam)
    layers = [str(name) for name in at_lam["layer"].values]
    inputs = at_lam["label_error"].sel(layer=layers[0])
    _line(inputs, ax, x, **CONTROL, linestyle="--", label="inputs")
    hidden = layers[1:]
    few = np.linspace(0, len(hidden) - 1, min(LAYERS, len(hidden))).round().astype(int)
    for i, name in enumerate(hidden[position] for position in few):
        color = mpl.colormaps["viridis"](0.85 * i / max(1, len(few) - 1))
        own = at_lam["label_error"].sel(layer=name)
        [label] = labels.drawable([name])
        _line(own, ax, x, color=color, marker=style.MARKERS[i], label=label)
    if hidden:
        untrained = at_lam["untrained_label_error"].sel(layer=hidden[-1])
        dashed = {"color": style.LEADER, "marker": "", "linestyle": (0, (4, 1.5))}
        [label] = labels.drawable([hidden[-1]])
        _line(untrained, ax, x, **dashed, label=f"{label} before training")
    ax.set_xscale("log")
    ax.set_xticks(x, [str(name) for name in at_lam["labels"].values])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())


def numbers_of_labels(result: xr.Dataset) -> np.ndarray:
    """Return where numbers of labels a class are drawn; all of them at the mean of the trials."""
    *few, _ = [str(name) for name in result["labels"].values]
    every = float(result["labeled_examples"].isel(labels=-1).mean()) / result.attrs["classes"]
    # A tick called "all" needs room beside the last number, however few there are.
    return np.array([*map(float, few), max(every, LEAST_RATIO * float(few[-1]))])


def _line(values: xr.DataArray, ax: Axes, x: np.ndarray, **line: object) -> None:
    """Draw means over trials of errors (trial, labels), if there are any."""
    if values.notnull().any():
        means = error_bars.in_percent(values.transpose("labels", names.TRIAL))
        mean, low, high = means
        measured = np.isfinite(mean)
        shown = (mean[measured], low[measured], np.minimum(high, 100)[measured])
        error_bars.draw(ax, x[measured], shown, **line)


FIGURE = FigureKind(
    name="label-curve",
    needs="labels",
    uses=("label_error", "untrained_label_error", "labeled_examples"),
    caption=(
        "Test error of new heads against the number of labels, for each λ. "
        "Heads are fitted to 1, 2, 5 and 20 labels a class and to all, on frozen features of the "
        "hidden layers at the chosen epoch, of more than 4 layers on 4 evenly spaced ones. "
        "Dashed: the controls, heads on the inputs and on the last hidden layer before training. "
        "Means over draws of labels, members and trials; bars show 95 % intervals over trials, "
        "none for a single trial. Low errors with few labels belong to features that separate "
        "classes, however they were trained."
    ),
    draw=draw,
)
