"""What members are worth when they vote, against λ, on test.

First: error of a member (the mean), of the majority vote, and of the ensemble, which averages
logits. Second: how often two members differ, and how often two, drawn with replacement, are both
wrong. Means over trials at the epoch that validation chose, with standard errors (absent for a
single trial).
"""

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import available, means, panels, style

NEEDS = "votes"
USES = (
    "mean_member_error",
    "diversity_effect",
    "majority_error",
    "disagreement",
    "tandem_loss",
    "chosen_epoch",
)
ERRORS = {
    "mean_member_error": ("a member", style.MEMBER, "s", "-"),
    "majority_error": ("majority vote", style.LEADER, "D", "--"),
    "ensemble_error": ("ensemble", style.ENSEMBLE, "o", "-"),
}
PAIRS = {
    "disagreement": ("two members differ", style.PAIR, "^", "-"),
    "tandem_loss": ("both are wrong", style.QUIET, "v", "--"),
}
"""Label, colour, marker and line."""


def draw(result: xr.Dataset) -> Figure:
    """Return the figure for a result of the votes probe.

    Raises:
        ProbeError: if the run has kept no outputs of the test split at the chosen epoch.
    """
    chosen = result["chosen_epoch"]
    on_test = result[[name for name in USES if name != "chosen_epoch"]].sel(
        {names.SPLIT: names.TEST}
    )
    at = on_test.isel({names.EPOCH: chosen.clip(min=0)}).where(chosen >= 0)
    at["ensemble_error"] = at["mean_member_error"] - at["diversity_effect"]
    drawn = available.lams(at, "majority_error", available.NO_OUTPUTS)
    figure, (left, right) = panels.in_rows(2, 2.4, share=False, least=style.APART)
    draw_on(drawn, ERRORS, left)
    left.set_ylabel("Test error (%)")
    style.keep_in_sight(left)
    draw_on(drawn, PAIRS, right)
    right.set_ylabel("Of test examples (%)")
    style.legend_of(figure)
    return figure


def draw_on(at: xr.Dataset, which: dict[str, tuple[str, str, str, str]], ax: Axes) -> None:
    """Draw fractions (lam, trial) on the axes that the caller gives."""
    for name, (label, colour, marker, line) in which.items():
        mean, error = means.over_trials(at[name])
        look = {"color": colour, "marker": marker, "linestyle": line}
        means.draw(ax, mean, error, 100, label=label, **look)
    style.lam_axis(ax, at[names.LAM].values)
    ax.set_ylim(bottom=0)
