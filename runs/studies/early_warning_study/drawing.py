"""How good the early diagnosis is: by epoch, by factor, and lane by lane.

Left: precision and recall of the rule dominance after each epoch, with 95 % intervals over
configurations. Middle: each factor's effect on the concentration of the ensemble's logits, with
its simultaneous 95 % interval, and on the share of dominated lanes; at the right edge the sign that
the model of a race predicts. Right: every lane whose ensemble
learned, after epoch 3 in training and at the end on test; those below the dashed line count as
failed, and the dotted line is the limit of the rules.
"""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from early_warning_study import factors, questions
from early_warning_study.grid import EARLY
from early_warning_study.lanes import FAILED_BELOW, Lanes
from early_warning_study.questions import CLAIM, epoch_index
from early_warning_study.roc import Estimate
from jtdiag import stats
from jtdiag.figures import style
from jtdiag.rules import limits

WIDTH = 7.0
"""Inches, of a page on a screen."""
_GREY = "#888888"
_FIRST_ASKED = limits.EARLY_EPOCH


def save(lanes: Lanes, file: Path) -> None:
    """Draw the figure into a file, in the style of jtdiag's."""
    with style.of():  # saving too: fonts are looked up then
        draw(lanes).savefig(file, dpi=150)


def draw(lanes: Lanes) -> Figure:
    """Return the figure."""
    figure = Figure(figsize=(WIDTH, 2.7), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 0.8, 1))
    by_epoch(lanes, left)
    effects(lanes, middle)
    every_lane(lanes, right)
    return figure


def by_epoch(lanes: Lanes, ax: Axes) -> None:
    """Draw precision and recall of dominance after each epoch."""
    rates = [questions.detection(lanes, "dominance", epoch).clustered for epoch in EARLY]
    _estimates(ax, [f.precision for f in rates], -0.08, style.ENSEMBLE, "o", "precision")
    _estimates(ax, [f.recall for f in rates], 0.08, style.LEADER, "s", "recall")
    ax.axvspan(EARLY[0] - 0.5, _FIRST_ASKED - 0.5, color="#eeeeee", linewidth=0)
    ax.set(xlim=(0.5, EARLY[-1] + 0.5), ylim=(0, 102))
    ax.set(xlabel="After epoch", ylabel="Dominance, % of lanes")
    ax.set_xticks([1, 3, 5, 7, 10])
    ax.set_title("The rule dominance")
    ax.legend(loc="lower right")


def _estimates(
    ax: Axes, estimates: list[Estimate], shift: float, colour: str, marker: str, label: str
) -> None:
    value = np.array([e.value for e in estimates])
    ends = np.array([[e.value - e.low, e.high - e.value] for e in estimates]).T
    ax.errorbar(
        np.array(EARLY) + shift,
        100 * value,
        yerr=100 * np.clip(ends, 0, None),
        color=colour,
        marker=marker,
        markersize=3,
        elinewidth=0.8,
        label=label,
    )


def effects(lanes: Lanes, ax: Axes) -> None:
    """Draw each factor's effects, and the predicted sign."""
    measured = factors.effects(lanes)
    rows = np.arange(len(measured))[::-1]
    mean = np.array([effect.concentration.mean for effect in measured])
    ends = np.array([[e.concentration.low, e.concentration.high] for e in measured])
    wide = np.abs(ends - mean[:, None]).T
    ax.errorbar(
        mean,
        rows,
        xerr=np.where(np.isfinite(wide), wide, 0),
        color=style.ENSEMBLE,
        fmt="o",
        markersize=3,
        elinewidth=1,
        label="concentration",
    )
    share = [float(stats.mean_interval(effect.dominated).mean) for effect in measured]
    ax.plot(
        share,
        rows,
        "D",
        color=style.LEADER,
        markersize=3,
        markerfacecolor="none",
        label="dominated",
    )
    ax.axvline(0, color=_GREY, linewidth=0.8)
    for row, effect in zip(rows, measured, strict=True):
        ax.text(1.03, row, _SIGNS[effect.sign], transform=ax.get_yaxis_transform(), va="center")
    ax.set_yticks(rows, [effect.factor.short for effect in measured])
    ax.set(xlabel="Difference", xlim=(-1.1, 1.1), ylim=(-0.6, len(measured) - 0.4))
    ax.set_title("Effect, predicted sign")
    ax.legend(loc="lower left", bbox_to_anchor=(-0.75, -0.42), ncols=2, columnspacing=1)


_SIGNS = {-1: "−", 0: "0", 1: "+"}


def every_lane(lanes: Lanes, ax: Axes) -> None:
    """Draw the others' skill at the end over that after the early epoch."""
    learnt = lanes.where(lanes.learnt)
    for lam in np.unique(learnt.lam)[::-1]:  # smaller ones are drawn on top
        shown = learnt.where(learnt.lam == lam)
        ax.scatter(
            100 * shown.others_skill[:, epoch_index(CLAIM)],
            100 * shown.final_skill,
            s=6,
            color=style.lam_colour(float(lam)),
            linewidths=0,
            label=style.lam_text(float(lam)),
        )
    ax.axhline(100 * FAILED_BELOW, color=_GREY, linestyle="--", linewidth=0.8)
    ax.axvline(100 * limits.MEDIAN_SKILL, color=_GREY, linestyle=":", linewidth=0.8)
    ax.set(xlim=(-5, 103), ylim=(-5, 103), xlabel="Others' skill after epoch 3 (%)")
    ax.set(ylabel="Others' skill at the end (%)", title="All lanes")
    ax.legend(loc="lower right", handletextpad=0)
