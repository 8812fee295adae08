"""What it costs to train layers otherwise than end to end, against what differs between runs."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.compare.from_end_to_end import Gap, gaps
from jtdiag.figures import error_bars, panels, style
from jtdiag.figures.contract import FigureKind, OtherRunsError, Results
from jtdiag.figures.labels import wrapped
from jtdiag.probing import credit_facts

QUANTITIES = {"modules": "Modules of a member", "mu": r"$\mu$", "reach": "Reach"}
"""What a horizontal axis may show, with its label."""
APART = 0.7
"""Part of the distance between two positions over which points beside each other are spread."""
BARS = {"markersize": 3.5, "capsize": 2, "elinewidth": 1}
LABEL = "Test error minus\nend to end (points)"


def draw(results: Results) -> Figure:
    """Draw how runs differ from end-to-end training, against μ, modules or reach, or by run.

    Raises:
        OtherRunsError: if no run can be compared with one that is trained end to end.
    """
    measured = gaps(results)
    if not measured:
        raise OtherRunsError(_nothing(results))
    quantity = varying(measured)
    return _by_quantity(measured, quantity) if quantity else _by_run(measured)


def _nothing(results: Results) -> str:
    """Return why there is nothing to draw."""
    if not all(credit_facts.SETTING in result.attrs for _, result in results):
        return credit_facts.OUTDATED
    return (
        "No run can be compared with end-to-end training of layers. Give one with credit = "
        "'end-to-end' and others that differ from it in [modules], with the same seed, data and "
        "members, and a common λ."
    )


def varying(measured: Sequence[Gap]) -> str:
    """Return the quantity that differs between runs of one credit, if it is only one.

    Empty if runs have to be named, since several quantities or something else differ as well.
    """
    places: dict[str, set[object]] = {name: set() for name in QUANTITIES}
    fields = []
    for name in QUANTITIES:
        by_series: dict[tuple[str, str, float], list[object]] = {}
        for gap in measured:
            by_series.setdefault((gap.rule, gap.setting, gap.lam), []).append(getattr(gap, name))
        if any(len(set(values) - {None}) > 1 for values in by_series.values()):
            fields.append(name)
        places[name] = {len(set(v)) == len(v) for v in by_series.values()}
    settings = {(gap.rule, gap.setting) for gap in measured}
    named_twice = len({rule for rule, _ in settings}) < len(settings)
    return fields[0] if len(fields) == 1 and places[fields[0]] == {True} and not named_twice else ""


def _by_quantity(measured: Sequence[Gap], quantity: str) -> Figure:
    """Draw a panel for each λ, with a line for each credit; positions are evenly spaced."""
    values = sorted({v for gap in measured if (v := getattr(gap, quantity)) is not None})
    ticks = [f"{value:g}" for value in values]
    if any(getattr(gap, quantity) is None for gap in measured):
        ticks.append("none")
    lams = sorted({gap.lam for gap in measured})
    rules = list(dict.fromkeys(gap.rule for gap in measured))
    figure, axes = panels.in_rows(len(lams), 2.1)
    for ax, lam in zip(axes, lams, strict=True):
        for i, rule in enumerate(rules):
            own = [gap for gap in measured if (gap.lam, gap.rule) == (lam, rule)]
            shift = APART / 2 * (i / max(1, len(rules) - 1) - 0.5) if len(rules) > 1 else 0.0
            _draw_series(own, quantity, values, shift, ax, style.run_line(i, len(rules)), rule)
        ax.axhline(0, color=style.QUIET, linestyle="--", linewidth=1, zorder=1)
        ax.set_xticks(range(len(ticks)), ticks)
        ax.set_xlim(-0.5, len(ticks) - 0.5)
        ax.set_title(f"{style.lam_text(lam)} ({_counted(measured, lam)})")
        ax.grid(visible=False, axis="x")
    for ax in panels.leftmost(axes):
        ax.set_ylabel(LABEL)
    for ax in panels.bottommost(axes):
        ax.set_xlabel(QUANTITIES[quantity])
    if len(rules) > 1:
        style.legend(figure)
    return figure


def _draw_series(
    own: Sequence[Gap],
    quantity: str,
    values: Sequence[float],
    shift: float,
    ax: Axes,
    line: dict[str, object],
    label: str,
) -> None:
    placed = [(v, gap) for gap in own if (v := getattr(gap, quantity)) is not None]
    placed.sort(key=lambda pair: pair[0])
    unplaced = [gap for gap in own if getattr(gap, quantity) is None]
    x = np.array([values.index(v) for v, _ in placed], float)
    if placed:
        error_bars.draw(ax, x + shift, _means([g for _, g in placed]), **BARS | line, label=label)
    if unplaced:
        x = np.full(len(unplaced), float(len(values)))
        error_bars.draw(
            ax, x + shift, _means(unplaced), **BARS | line | {"linestyle": ""}, label=label
        )


def _by_run(measured: Sequence[Gap]) -> Figure:
    """Draw a row for each run, with a point for each λ."""
    runs = list(dict.fromkeys(gap.run for gap in measured))
    lams = sorted({gap.lam for gap in measured})
    lines = max(1 + wrapped(run).count("\n") for run in runs)
    row = max(0.2 * lines, 0.17 + 0.06 * (len(lams) - 1))
    figure = style.figure(0.9 + len(runs) * row, rows=True)
    ax = figure.add_subplot()
    for i, lam in enumerate(lams):
        own = [gap for gap in measured if gap.lam == lam]
        shift = APART * (i / (len(lams) - 1) - 0.5) if len(lams) > 1 else 0.0
        y = np.array([runs.index(gap.run) for gap in own], float)
        mean, low, high = _means(own)
        reach = [np.where(np.isfinite(end), end, 0) for end in (mean - low, high - mean)]
        line = style.lam_marker(lam) | {"linestyle": "", "label": style.lam_text(lam)}
        ax.errorbar(mean, y + shift, xerr=reach, **BARS | line)
    ax.axvline(0, color=style.QUIET, linestyle="--", linewidth=1, zorder=1)
    ax.set_yticks(range(len(runs)), [wrapped(run) for run in runs], linespacing=1.0)
    ax.set_ylim(len(runs) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    where = ""
    if len(lams) > 1:
        style.legend(figure)
    else:
        where = f", {style.lam_text(lams[0])}"
    text = f"{LABEL.replace(chr(10), ' ')}{where}, {_counted(measured)}"
    figure.supxlabel(text, fontsize="medium")  # below names of rows, too, which may be long
    return figure


def _means(own: Sequence[Gap]) -> error_bars.Means:
    mean, low, high = (np.array(ends) for ends in zip(*(gap.points for gap in own), strict=True))
    return mean, low, high


def _counted(measured: Sequence[Gap], lam: float | None = None) -> str:
    """Return the number of paired trials, of all λs or of one."""
    counts = {gap.trials for gap in measured if lam in (None, gap.lam)}
    least, most = min(counts), max(counts)
    return f"$n = {least}$" if least == most else f"$n = {least}$ to ${most}$"


FIGURE = FigureKind(
    name="gap",
    needs="performance",
    uses=(names.ENSEMBLE_ERROR,),
    caption=(
        "Test error of runs that train layers otherwise than end to end, minus that of end-to-end "
        "training. "
        "Each run is compared with the first run of the same seed, data and members that trains "
        "layers end to end (dashed), at the same λ. Against μ, the number of modules or the reach "
        "if that is all that differs between runs of a credit, evenly spaced; “none”: runs without "
        "it; otherwise by run. Points are means over n paired trials at the epoch chosen on "
        "the validation split; bars show 95 % intervals that hold for all differences of the "
        "figure together (Bonferroni), none for a single trial."
    ),
    draw=draw,
    compares=True,
)
