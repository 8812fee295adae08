"""Accuracy against confidence: calibration of the ensemble and its members."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import available, panels, style
from jtdiag.figures.contract import FigureKind, Results
from jtdiag.stats import clopper_pearson

MIN_EXAMPLES = 10
"""Minimum number of examples in a bin that is drawn."""
RASTER_FROM = 64
"""Number of members from which their lines are rasterized, to keep PDFs small."""


def draw(results: Results, trial: int = 0) -> Figure:
    """Draw one trial of the result of the calibration probe of one run.

    Raises:
        ProbeError: if the run stores no outputs on test.
    """
    [(_, result)] = results
    test = result.isel({names.TRIAL: trial}).sel({names.SPLIT: names.TEST})
    test = available.lams(test, "ensemble_ece", available.NO_OUTPUTS)
    lams = test[names.LAM].values
    figure, axes = panels.by_lam(lams, 1.8)
    for panel, lam in zip(axes, lams, strict=True):
        draw_on(test.sel({names.LAM: lam}), panel)
    for panel in panels.leftmost(axes):
        panel.set_ylabel("Accuracy")
    for panel in panels.bottommost(axes):
        panel.set_xlabel("Confidence")
    style.legend(figure)
    return figure


def draw_on(lane: xr.Dataset, ax: Axes) -> None:
    """Draw the reliability curves at one λ.

    Args:
        lane: ensemble_bin_… (bin) and member_bin_… (member, bin), and ensemble_ece.
        ax: Axes to draw on.
    """
    ax.plot([0, 1], [0, 1], color=style.QUIET, linestyle=":", linewidth=0.8)
    confidence, accuracy, _ = _curve(lane, "member")
    many = len(confidence) >= RASTER_FROM
    thin = {"linewidth": 0.35, "alpha": 0.35} if many else {"linewidth": 0.8}
    lines = ax.plot(confidence.T, accuracy.T, color=style.MEMBER, rasterized=many, **thin)  # type: ignore[arg-type]
    lines[0].set_label("members")
    confidence, accuracy, count = _curve(lane, "ensemble")
    low, high = clopper_pearson(np.round(accuracy * count), count)
    line = ax.errorbar(
        confidence,
        accuracy,
        yerr=(accuracy - low, high - accuracy),
        color=style.ENSEMBLE,
        marker="o",
        markersize=2.5,
        capsize=1.5,
        clip_on=False,
    )
    line.set_label("ensemble")
    title = f"{ax.get_title()}\nECE {100 * float(lane['ensemble_ece']):.1f} %"
    ax.set_title(title.strip())
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    ax.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])


def _curve(lane: xr.Dataset, who: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return confidence, accuracy and count by bin; NaN for bins with too few examples."""
    enough = lane[f"{who}_bin_count"] >= MIN_EXAMPLES
    confidence, accuracy, count = (
        lane[f"{who}_{name}"].where(enough).values
        for name in ("bin_confidence", "bin_accuracy", "bin_count")
    )
    return confidence, accuracy, count


FIGURE = FigureKind(
    name="reliability",
    needs="calibration",
    uses=(
        "ensemble_ece",
        "ensemble_bin_confidence",
        "ensemble_bin_accuracy",
        "ensemble_bin_count",
        "member_bin_confidence",
        "member_bin_accuracy",
        "member_bin_count",
    ),
    caption=(
        "Reliability diagrams of the ensemble and its members on the test split, for each λ. "
        "Predictions below the diagonal are overconfident, above it underconfident. Bars show "
        "exact 95 % intervals over test examples for the ensemble. Bins have equal width; bins "
        f"with fewer than {MIN_EXAMPLES} examples are omitted. Titles give the expected "
        "calibration error (ECE) of the ensemble. First trial. Compare Guo et al. (2017), Fig. 1."
    ),
    draw=draw,
)
