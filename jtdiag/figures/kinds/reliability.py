"""Accuracy against confidence on test, for each λ: on the diagonal, confidence can be believed.

Below it a predictor is too sure, above it not sure enough. Black: the ensemble, with a binomial
standard error; blue: its members alone. Bins of equal width with fewer than 10 examples are left
out. The first trial is drawn, and the number is the ensemble's calibration error (ECE) in it.
Compare Guo et al. 2017, Fig. 1.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import available, panels, style

NEEDS = "calibration"
USES = (
    "ensemble_ece",
    "ensemble_bin_confidence",
    "ensemble_bin_accuracy",
    "ensemble_bin_count",
    "member_bin_confidence",
    "member_bin_accuracy",
    "member_bin_count",
)
LEAST = 10
"""Examples from which a bin is drawn."""
RASTER_FROM = 64
"""Members from which their lines are pixels in a PDF."""


def draw(result: xr.Dataset, trial: int = 0) -> Figure:
    """Return the figure for one trial of a result of the calibration probe.

    Raises:
        ProbeError: if the run has kept no outputs of the test split.
    """
    one = result.isel({names.TRIAL: trial}).sel({names.SPLIT: names.TEST})
    one = available.lams(one, "ensemble_ece", available.NO_OUTPUTS)
    lams = one[names.LAM].values
    figure, axes = panels.by_lam(lams, 1.8)
    for panel, lam in zip(axes, lams, strict=True):
        draw_on(one.sel({names.LAM: lam}), panel)
    for panel in panels.at_the_left(axes):
        panel.set_ylabel("Accuracy")
    for panel in panels.at_the_bottom(axes):
        panel.set_xlabel("Confidence")
    style.legend_of(figure)
    return figure


def draw_on(lane: xr.Dataset, ax: Axes) -> None:
    """Draw one lane on the axes that the caller gives.

    Args:
        lane: ensemble_bin_… (bin) and member_bin_… (member, bin), and ensemble_ece.
        ax: Where to draw.
    """
    ax.plot([0, 1], [0, 1], color=style.QUIET, linestyle=":", linewidth=0.8)
    sure, right, _ = _curve(lane, "member")
    many = len(sure) >= RASTER_FROM
    fine = {"linewidth": 0.35, "alpha": 0.35} if many else {"linewidth": 0.8}
    lines = ax.plot(sure.T, right.T, color=style.MEMBER, rasterized=many, **fine)  # type: ignore[arg-type]
    lines[0].set_label("members")
    sure, right, count = _curve(lane, "ensemble")
    with np.errstate(invalid="ignore"):
        bars = np.sqrt(right * (1 - right) / count)
    line = ax.errorbar(
        sure,
        right,
        yerr=bars,
        color=style.ENSEMBLE,
        marker="o",
        markersize=2.5,
        capsize=1.5,
        clip_on=False,
    )
    line.set_label("ensemble")
    error = f"{ax.get_title()}\nECE {100 * float(lane['ensemble_ece']):.1f} %"
    ax.set_title(error.strip())
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    ax.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])


def _curve(lane: xr.Dataset, who: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return confidence, accuracy and count by bin, NaN where a bin is too small to be drawn."""
    large = lane[f"{who}_bin_count"] >= LEAST
    confidence, accuracy, count = (
        lane[f"{who}_{name}"].where(large).values
        for name in ("bin_confidence", "bin_accuracy", "bin_count")
    )
    return confidence, accuracy, count
