"""Alternative text of figures: what is drawn, in numbers, for screen readers."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter

from jtdiag.report import wording

ALL = 7
"""Up to this many points of a line are all given; of more, the ends and the extremes."""
LINES = 8
"""Lines of a panel that are described; of more, their number is given."""
ROWS = 2
"""Rows of a heat map that are described, the first; of more, their number is given."""
NEAR = 0.3
"""Greatest distance of a point from the named tick that it belongs to; ticks are 1 apart."""
LENGTH = 700
"""Characters; a listener cannot skim."""

Ends = tuple[float, float]
NONE: Ends = (np.nan, np.nan)

_SIGNS = {
    r"\lambda": "λ",
    r"\kappa": "κ",
    r"\theta": "θ",
    r"\eta": "η",
    r"\times": "×",
    r"\Vert": "‖",
}


def in_words(figure: Figure, caption: str) -> str:
    """Return the first sentence of a caption and what the panels show, in numbers.

    Args:
        figure: As drawn.
        caption: Its first sentence says what the figure is.
    """
    first = " ".join(caption.split("\n\n", 1)[0].split())
    first = re.split(r"(?<=\.)\s", first, maxsplit=1)[0]
    panels = [text for ax in figure.axes if ax.get_visible() and (text := _panel(ax))]
    bars = re.search(r"\b[Bb]ars show ([^.;,]+)", " ".join(caption.split()))
    return wording.figure_text(first, bars[1] if bars else "", panels, LENGTH)


def plain(text: str) -> str:
    """Return a label without matplotlib's mathematics."""
    parts = re.split(r"(?<!\\)\$", text)  # text and mathematics take turns
    words = [_math(part) if i % 2 else part.replace(r"\$", "$") for i, part in enumerate(parts)]
    return " ".join("".join(words).split())


def _math(text: str) -> str:
    for sign, letter in _SIGNS.items():
        text = text.replace(sign, letter)
    text = re.sub(r"\\(?:mathrm|mathit|mathbf|text|hat|bar|tilde|overline)\b", "", text)
    return re.sub(r"[{}\\]", "", text)


def _panel(ax: Axes) -> str:
    """Return what one panel shows: its title, its axes, its series."""
    series = list(_series(ax))
    title, x, y = (plain(t) for t in (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()))
    most = ROWS if ax.images else LINES
    return wording.panel(title, x, y, series[:most], max(0, len(series) - most))


def _series(ax: Axes) -> Iterator[str]:
    """Yield lines with error bars, bars, lines that have a label, then the rows of heat maps."""
    ticks = _named_ticks(ax)
    described: set[Line2D] = set()
    for container in ax.containers:
        if isinstance(container, ErrorbarContainer) and container.lines[0] is not None:
            line = container.lines[0]
            described.add(line)
            yield from _curve(container.get_label(), line, ticks, _bars(container))
        elif isinstance(container, BarContainer):
            heights = [bar.get_height() for bar in container.patches]
            centers = [bar.get_x() + bar.get_width() / 2 for bar in container.patches]
            yield from _numbers(container.get_label(), centers, heights, ticks)
    for line in ax.lines:
        if line not in described and not str(line.get_label()).startswith("_"):
            yield from _curve(line.get_label(), line, ticks)
    yield from _heat_map_rows(ax, ticks)


def _heat_map_rows(ax: Axes, ticks: dict[float, str]) -> Iterator[str]:
    """Yield the rows of a heat map in which every row and every column has a name."""
    rows = [label.get_text() for label in ax.get_yticklabels()]
    for image in ax.images:
        values = np.ma.filled(np.ma.asarray(image.get_array()).astype(float), np.nan)
        if values.shape == (len(rows), len(ticks)) and all(rows):
            for name, row in zip(rows, values, strict=True):
                yield from _numbers(name, sorted(ticks), row, ticks)


def _bars(container: ErrorbarContainer) -> list[Ends]:
    """Return the ends of every error bar; NaN where there is none."""
    bars = container.lines[2]
    if not bars:
        return []
    ends = [
        (float(s[:, 1].min()), float(s[:, 1].max())) if len(s) else NONE
        for s in bars[0].get_segments()
    ]
    return [NONE if low == high else (low, high) for low, high in ends]


def _curve(
    label: object, line: Line2D, ticks: dict[float, str], bars: Sequence[Ends] = ()
) -> Iterator[str]:
    x, y = (np.asarray(line.get_data(orig=False)[i], float) for i in (0, 1))
    yield from _numbers(label, x, y, ticks, bars)


def _numbers(
    label: object,
    x: Sequence[float] | np.ndarray,
    y: Sequence[float] | np.ndarray,
    ticks: dict[float, str],
    bars: Sequence[Ends] = (),
) -> Iterator[str]:
    """Yield a series by its points, or its ends and extremes; nothing for an empty one."""
    places, values = np.asarray(x, float), np.asarray(y, float)
    if places.size != values.size:
        return
    drawn = [int(i) for i in np.flatnonzero(np.isfinite(values) & np.isfinite(places))]
    if not drawn:
        return
    name = "" if str(label).startswith("_") else plain(str(label))

    def point(i: int) -> str:
        ends = bars[i] if i < len(bars) else NONE
        return wording.point(float(values[i]), ends, _place(places[i], ticks))

    first, last = drawn[0], drawn[-1]
    lowest, highest = drawn[int(values[drawn].argmin())], drawn[int(values[drawn].argmax())]
    if len(drawn) <= ALL:
        lowest_place = _place(places[lowest], ticks) if len(drawn) > 2 else ""
        yield wording.few_points(name, [point(i) for i in drawn], lowest_place)
        return
    extremes = ["" if i in (first, last) else point(i) for i in (lowest, highest)]
    yield wording.many_points(name, point(first), point(last), *extremes)


def _place(x: float, ticks: dict[float, str]) -> str:
    """Return the place of a point on the horizontal axis, by its tick where ticks have names."""
    if not ticks:
        return wording.at_number(x)
    near = min(ticks, key=lambda tick: abs(tick - x))
    if abs(near - x) <= NEAR:
        return wording.at_tick(ticks[near])
    below, above = [t for t in ticks if t < x], [t for t in ticks if t > x]
    if not below or not above:
        return wording.outside(ticks[near])
    return wording.between(ticks[max(below)], ticks[min(above)])


def _named_ticks(ax: Axes) -> dict[float, str]:
    """Return the names of places on the horizontal axis, where ticks have names of their own."""
    axis = ax.xaxis
    named = isinstance(axis.get_major_formatter(), FixedFormatter | FuncFormatter)
    if not named or not isinstance(axis.get_major_locator(), FixedLocator):
        return {}
    labels = [plain(label.get_text()) for label in ax.get_xticklabels()]
    return {float(x): text for x, text in zip(ax.get_xticks(), labels, strict=False) if text}
