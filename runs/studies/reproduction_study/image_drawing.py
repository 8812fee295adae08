"""Test errors of ConvNets against λ, by width and by depth (Figs. 4 and 6)."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag.figures import style
from reproduction_study import drawing, image_claims
from reproduction_study.lanes import Measured

COLOURS = (style.MEMBER, style.PAIR, style.LEADER)
WIDTHS = {"conv-w4": "width 4", "conv-w8": "width 8", "conv-w16": "width 16"}
DEPTHS = {"conv-d2": "2 layers", "conv-w8": "5 layers", "conv-d8": "8 layers"}


def save(measured: Measured, file: Path) -> None:
    """Draw the figure into a file, in the style of jtdiag's."""
    with style.of():
        draw(measured).savefig(file, dpi=150)


def draw(measured: Measured) -> Figure:
    """Return the figure: errors by width, by depth, and of members of the widest ConvNets."""
    figure = Figure(figsize=(drawing.WIDTH, drawing.HEIGHT), layout="constrained")
    by_width, by_depth, of_members = figure.subplots(1, drawing.COLUMNS)
    _errors(measured, by_width, WIDTHS, "Fig. 4: five layers")
    _errors(measured, by_depth, DEPTHS, "Depth at width 8")
    drawing.members_against_lambda(measured, of_members, image_claims.WIDE)
    of_members.set_title("Fig. 6: width 16")
    return figure


def _errors(measured: Measured, ax: Axes, runs: dict[str, str], title: str) -> None:
    for (run, name), colour in zip(runs.items(), COLOURS, strict=True):
        drawing.line(measured, ax, run, "test_ensemble_best", colour, name)
    drawing.lambda_axis(measured, ax, runs)
    ax.set(ylabel="Test error (%)", title=title)
    ax.legend()
