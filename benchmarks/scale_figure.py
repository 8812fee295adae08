"""The figure of `scale_out.py`: efficiency, lost work, and what workers ask of what they share."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

STYLES = ("-", "--", ":")


def draw(rows: list[dict[str, Any]], losses: list[dict[str, Any]]) -> Figure:
    """Return a figure of three panels.

    Args:
        rows: Of each sweep and number of workers; median and 95 % of simulations.
        losses: Of each mean life of a worker.
    """
    figure = Figure(figsize=(9, 3), layout="constrained")
    efficiency, lost, shared = figure.subplots(1, 3)
    _efficiency(efficiency, rows)
    _lost(lost, losses)
    _shared(shared, rows)
    for axes, letter in zip((efficiency, lost, shared), "abc", strict=True):
        axes.set_title(letter, loc="left", fontsize=9, fontweight="bold")
        axes.tick_params(labelsize=7)
        axes.legend(fontsize=7, frameon=False, handlelength=4, markerscale=0)
    return figure


def _efficiency(axes: Axes, rows: list[dict[str, Any]]) -> None:
    sweeps = sorted({row["lanes"] for row in rows}, reverse=True)
    for lanes, style in zip(sweeps, STYLES, strict=True):
        _line(axes, [row for row in rows if row["lanes"] == lanes], "efficiency", style)
        axes.lines[-1].set_label(f"{lanes:,} lanes")
    _counts(axes, rows)
    axes.set_ylim(0, 1.05)
    axes.set_ylabel("Efficiency", fontsize=8)


def _lost(axes: Axes, losses: list[dict[str, Any]]) -> None:
    labels = {"whole": "lanes begin again", "resumed": "from the last epoch"}
    for (name, label), style in zip(labels.items(), ("k--", "k-"), strict=True):
        hours = [row["hours"] for row in losses]
        middle, low, high = zip(*(row[name] for row in losses), strict=True)
        axes.fill_between(hours, low, high, color="k", alpha=0.15, linewidth=0)
        axes.plot(hours, middle, style, marker=".", label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    hours = [row["hours"] for row in losses]
    axes.set_xticks(hours, labels=[f"{each:g}" for each in hours])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("Mean life of a worker (h)", fontsize=8)
    axes.set_ylabel("Lost share of working time", fontsize=8)


def _shared(axes: Axes, rows: list[dict[str, Any]]) -> None:
    most = max(row["lanes"] for row in rows)
    labels = {"megabytes": "MB written", "changes": "changes of files", "seals": "epochs reported"}
    kept = [row for row in rows if row["lanes"] == most]
    for (name, label), style in zip(labels.items(), STYLES, strict=True):
        _line(axes, kept, name, style)
        axes.lines[-1].set_label(label)
    _counts(axes, rows)
    axes.set_yscale("log")
    axes.set_ylabel("Most per second", fontsize=8)


def _counts(axes: Axes, rows: list[dict[str, Any]]) -> None:
    axes.set_xscale("log", base=2)
    workers = sorted({row["workers"] for row in rows})
    axes.set_xticks(workers, labels=[f"{each:,}" for each in workers])
    axes.set_xlabel("Workers", fontsize=8)


def _line(axes: Axes, rows: list[dict[str, Any]], name: str, style: str) -> None:
    workers = [row["workers"] for row in rows]
    middle, low, high = zip(*(row[name] for row in rows), strict=True)
    axes.fill_between(workers, low, high, color="k", alpha=0.15, linewidth=0)
    axes.plot(workers, middle, f"k{style}", marker=".")
