"""How good the early diagnosis is: curves by epoch, their areas, and the lanes themselves.

Left: recall against false alarms as the limit of the median member's skill moves, on held-out
lanes. Middle: the area under such curves with its 95 % interval over configurations. Right: every
lane whose ensemble learnt, after epoch 3 in training and at the end on test; those below the
dashed line count as failed, and the dotted line is the limit.
"""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from early_warning_study import questions
from early_warning_study.grid import EARLY
from early_warning_study.lanes import FAILED_BELOW, Lanes
from early_warning_study.questions import CLAIM, epoch_index
from jtdiag.figures import style

WIDTH = 7.0
"""Inches, of a page on a screen."""
SHOWN = (1, 2, 3, 5, 10)
"""Epochs with a curve."""
_AREAS = {1: (style.ENSEMBLE, "o"), 3: (style.LEADER, "s")}
"""Comparisons of the middle panel by their place among the study's: colour and marker."""
_NAMES = {
    1: "failed or not,\n" + r"$\lambda = 1$ or $\lambda \leq 0.9$",
    3: r"$\lambda = 1$ or $\lambda \leq 0.9$",
}


def save(lanes: Lanes, file: Path) -> None:
    """Draw the figure into a file, in the style of jtdiag's."""
    with style.of():  # saving too: fonts are looked up then
        draw(lanes).savefig(file, dpi=150)


def draw(lanes: Lanes) -> Figure:
    """Return the figure."""
    figure = Figure(figsize=(WIDTH, 2.5), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    curves(lanes, left)
    areas(lanes, middle)
    every_lane(lanes, right)
    return figure


def curves(lanes: Lanes, ax: Axes) -> None:
    """Draw recall against false alarms, a curve for each of some epochs."""
    tests = lanes.where(lanes.learnt & lanes.held_out)
    score = np.clip(questions.weakness(tests), -1e6, None)  # roc_curve takes no infinity
    shades = mpl.colormaps["Blues"](np.linspace(0.35, 1, len(SHOWN)))
    for epoch, shade in zip(SHOWN, shades, strict=True):
        false, recall, _ = roc_curve(tests.failed, score[:, epoch_index(epoch)])
        ax.plot(100 * false, 100 * recall, color=shade, label=f"{epoch}", clip_on=False)
    ax.plot([0, 100], [0, 100], color="#888888", linestyle="--", linewidth=0.8)
    ax.set(xlim=(0, 100), ylim=(0, 100), xlabel="False alarms (%)", ylabel="Recall (%)")
    ax.set_title("Failed or not, held-out lanes")
    ax.legend(title="after epoch", loc="lower right", title_fontsize=8)


def areas(lanes: Lanes, ax: Axes) -> None:
    """Draw the area under the curve by epoch with its interval."""
    compared = questions.comparisons(lanes)
    for place, (colour, marker) in _AREAS.items():
        held_out = questions.halves(lanes, compared[place])
        estimates = questions.areas(lanes, questions.weakness(lanes), held_out)
        value = np.array([e.value for e in estimates])
        ends = np.array([[e.value - e.low, e.high - e.value] for e in estimates]).T
        shift = 0.06 * (place - 2)
        ax.errorbar(
            np.array(EARLY) + shift,
            value,
            yerr=np.clip(ends, 0, None),
            color=colour,
            marker=marker,
            markersize=3,
            elinewidth=0.8,
            label=_NAMES[place],
        )
    ax.axhline(0.9, color="#888888", linestyle=":", linewidth=0.8)
    ax.set(ylim=(0.5, 1.01), xlabel="After epoch", ylabel="Area under the curve")
    ax.set_xticks([1, 3, 5, 7, 10])
    ax.set_title("Area, held-out lanes")
    ax.legend(loc="lower right")


def every_lane(lanes: Lanes, ax: Axes) -> None:
    """Draw the median member's skill at the end over that after the early epoch."""
    learnt = lanes.where(lanes.learnt)
    limit = -questions.calibrated(lanes, questions.weakness(lanes), CLAIM).limit
    for lam in np.unique(learnt.lam)[::-1]:  # smaller ones are drawn on top
        shown = learnt.where(learnt.lam == lam)
        ax.scatter(
            100 * shown.median_skill[:, epoch_index(CLAIM)],
            100 * shown.final_skill,
            s=6,
            color=style.lam_colour(float(lam)),
            linewidths=0,
            label=style.lam_text(float(lam)),
        )
    ax.axhline(100 * FAILED_BELOW, color="#888888", linestyle="--", linewidth=0.8)
    ax.axvline(100 * limit, color="#888888", linestyle=":", linewidth=0.8)
    ax.set(xlim=(0, 103), ylim=(0, 103), xlabel="Median skill after epoch 3 (%)")
    ax.set(ylabel="Median skill at the end (%)", title="All lanes")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), handletextpad=0, borderpad=0)
