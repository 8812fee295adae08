"""The paper's figures from the tables, in its layout: Figs. 2, 3, 6, 7, 8 and 9.

Dots are trials, lines join means over trials. Panels of which nothing was measured are left out.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag.figures import style
from jtdiag.names import lam_text
from reproduction_study.claims import BAGGING, LARGE, MIDDLE, SINGLE, SMALL
from reproduction_study.lanes import Measured

WIDTH, HEIGHT, COLUMNS = 7.0, 2.5, 3
NAMES = {SMALL: "256 × 4 units", MIDDLE: "64 × 16 units", LARGE: "16 × 64 units"}
COLOURS = {SMALL: style.LEADER, MIDDLE: style.PAIR, LARGE: style.MEMBER}
_ERROR, _STACKED = "test_ensemble_best", "stacked"
Panel = Callable[[Measured, Axes], None]


def save(measured: Measured, file: Path) -> None:
    """Draw the figure into a file, in the style of jtdiag's."""
    with style.of():  # saving too: fonts are looked up then
        draw(measured).savefig(file, dpi=150)


def draw(measured: Measured) -> Figure:
    """Return the figure."""
    panels = shown(measured)
    columns = 2 if len(panels) == 4 else min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(WIDTH, HEIGHT * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, ax in zip(panels, axes, strict=False):
        panel(measured, ax)
    for ax in axes[len(panels) :]:
        ax.remove()
    return figure


def shown(measured: Measured) -> list[Panel]:
    """Return the panels for which something was measured."""
    has = {run: bool(measured.lams(run)) for run in (SMALL, MIDDLE, LARGE, SINGLE)}
    dropped = {row["run"] for row in measured.dropped}
    panels: list[tuple[bool, Panel]] = [
        (has[SMALL] and has[SINGLE], schemes),
        (any(has.values()), error_against_lambda),
        (has[SMALL], members_against_lambda),
        (SMALL in dropped, lambda m, ax: accuracy_against_dropped(m, ax, SMALL, "Fig. 7")),
        (MIDDLE in dropped, lambda m, ax: accuracy_against_dropped(m, ax, MIDDLE, "Fig. 8")),
        (has[MIDDLE], loss_against_lambda),
    ]
    return [panel for measured_too, panel in panels if measured_too]


def schemes(measured: Measured, ax: Axes) -> None:
    """Draw the errors of Fig. 2 as bars, with the single network as a line."""
    cells = {
        "independent": (SMALL, 0.0, _ERROR),
        "bagging": (BAGGING, 0.0, _ERROR),
        "stacking": (SMALL, 0.0, _STACKED),
        "λ = 0.95": (SMALL, 0.95, _ERROR),
        "end to end": (SMALL, 1.0, _ERROR),
    }
    values = {name: _percent(measured, *cell) for name, cell in cells.items()}
    values = {name: of_trials for name, of_trials in values.items() if of_trials.size}
    for i, of_trials in enumerate(values.values()):
        ax.bar(i, of_trials.mean(), color=style.MEMBER, width=0.7)
        ax.plot(np.full(of_trials.size, i), of_trials, "k.", markersize=3)
    single = _percent(measured, SINGLE, 1.0, _ERROR)
    ax.axhline(
        single.mean(), color=style.QUIET, linestyle="--", linewidth=0.8, label="1 × 1,024 units"
    )
    ax.legend(loc="upper right")
    ax.set_xticks(range(len(values)), list(values), rotation=30, ha="right")
    ax.set(ylabel="Test error (%)", title="Fig. 2: 256 × 4 units")


def error_against_lambda(measured: Measured, ax: Axes) -> None:
    """Draw the errors of Fig. 3."""
    for run, name in NAMES.items():
        line(measured, ax, run, _ERROR, COLOURS[run], name)
    single = _percent(measured, SINGLE, 1.0, _ERROR)
    if single.size:
        ax.axhline(
            single.mean(), color=style.QUIET, linestyle="--", linewidth=0.8, label="1 × 1,024 units"
        )
    lambda_axis(measured, ax)
    ax.set(ylabel="Test error (%)", title="Fig. 3")
    ax.legend()


def members_against_lambda(measured: Measured, ax: Axes, run: str = SMALL) -> None:
    """Draw the errors of the ensemble and of its members at the end, as in Fig. 6, bottom."""
    line(measured, ax, run, "test_median_last", style.MEMBER, "median member")
    line(measured, ax, run, "test_lowest_last", style.LEADER, "best member")
    line(measured, ax, run, "test_ensemble_last", style.ENSEMBLE, "ensemble")
    lambda_axis(measured, ax, (run,))
    ax.set(ylabel="Test error (%)", title="Fig. 6: 256 × 4 units")
    ax.legend()


def accuracy_against_dropped(measured: Measured, ax: Axes, run: str, title: str) -> None:
    """Draw the accuracies of Figs. 7 and 8."""
    for lam in measured.lams(run):
        for trial in measured.values(run, lam, _ERROR):
            dropped, accuracy = measured.accuracy(run, lam, trial)
            if dropped.size:
                label = f"λ = {lam_text(lam)}" if trial == 0 else None
                ax.plot(dropped, 100 * accuracy, color=style.lam_colour(lam), label=label)
    ax.set(xlabel="Members dropped", ylabel="Test accuracy (%)", ylim=(0, 100))
    ax.set_title(f"{title}: {NAMES[run]}")
    ax.legend()


def loss_against_lambda(measured: Measured, ax: Axes) -> None:
    """Draw the losses of Fig. 9."""
    line(measured, ax, MIDDLE, "test_member_loss_best", style.MEMBER, "mean of members", scale=1)
    line(measured, ax, MIDDLE, "test_loss_best", style.ENSEMBLE, "ensemble", scale=1)
    lambda_axis(measured, ax)
    ax.set(ylabel="Test loss (nats)", title=f"Fig. 9: {NAMES[MIDDLE]}", yscale="log")
    ax.legend()


def _percent(measured: Measured, run: str, lam: float, column: str) -> np.ndarray:
    return 100 * np.array(list(measured.values(run, lam, column).values()))


def line(
    measured: Measured,
    ax: Axes,
    run: str,
    column: str,
    colour: str,
    label: str,
    scale: float = 100,
) -> None:
    """Draw the mean of a column by λ, and each trial as a dot."""
    lams = measured.lams(run)
    if not lams:
        return
    positions = [_position(lam) for lam in lams]
    values = [scale / 100 * _percent(measured, run, lam, column) for lam in lams]
    ax.plot(positions, [v.mean() for v in values], color=colour, label=label)
    for position, of_trials in zip(positions, values, strict=True):
        ax.plot(np.full(of_trials.size, position), of_trials, ".", color=colour, markersize=3)


def _position(lam: float) -> float:
    """Return where λ stands on the axis: λs of the paper have equal distances."""
    return float(np.interp(lam, [0, 0.5, 0.8, 0.9, 0.95, 0.99, 1], range(7)))


def lambda_axis(measured: Measured, ax: Axes, runs: Iterable[str] = tuple(NAMES)) -> None:
    """Label the axis with the λs of some runs."""
    lams = sorted({lam for run in runs for lam in measured.lams(run)})
    ax.set_xticks([_position(lam) for lam in lams], [lam_text(lam) for lam in lams])
    ax.set_xlabel("λ")
