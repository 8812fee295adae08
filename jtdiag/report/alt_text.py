"""A figure in words, from the numbers that are drawn, for who cannot see it."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter

ALL = 7
"""Up to this many points of a line are told one by one; of more, the ends and the extremes."""
LINES = 8
"""Lines that are told of one panel; of more, how many there are."""
BESIDE = 0.3
"""How far from a named tick a point may stand and still be of it; ticks are 1 apart."""
LENGTH = 700
"""Characters; who listens cannot skim."""

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
        figure: As it was drawn.
        caption: Its text, the first sentence saying what it is.
    """
    first = " ".join(caption.split("\n\n", 1)[0].split())
    first = re.split(r"(?<=\.)\s", first, maxsplit=1)[0]
    panels = [said for ax in figure.axes if ax.get_visible() and (said := _panel(ax))]
    whole = " ".join([first, *panels])
    if len(whole) <= LENGTH:
        return whole
    return whole[:LENGTH].rpartition("; ")[0] + "; and more, see the tables and findings."


def plain(text: str) -> str:
    """Return a label without matplotlib's mathematics."""
    for sign, letter in _SIGNS.items():
        text = text.replace(sign, letter)
    text = re.sub(r"\\(?:mathrm|mathit|mathbf|text|hat|bar|tilde|overline)\b", "", text)
    return re.sub(r"\s+", " ", re.sub(r"[${}\\]", "", text)).strip()


def _panel(ax: Axes) -> str:
    """Return what one panel shows: its title, its axes, its lines."""
    lines = list(_lines(ax))
    title, x, y = (plain(t) for t in (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()))
    axes = f"{y} against {x}" if x and y else y or x
    heading = ", ".join(part for part in (title, axes) if part)
    if not lines:
        return f"{heading}." if heading else ""
    said = lines[:LINES] + ([f"{len(lines) - LINES} more lines"] if len(lines) > LINES else [])
    return f"{heading}: {'; '.join(said)}." if heading else f"{'; '.join(said)}."


def _lines(ax: Axes) -> Iterator[str]:
    """Yield what is drawn with error bars, then as bars, then the lines that have a name."""
    ticks = _names_of_ticks(ax)
    told: set[Line2D] = set()
    for container in ax.containers:
        if isinstance(container, ErrorbarContainer) and container.lines[0] is not None:
            line = container.lines[0]
            told.add(line)
            yield from _curve(container.get_label(), line, ticks, _reach(container))
        elif isinstance(container, BarContainer):
            heights = [bar.get_height() for bar in container.patches]
            at = [bar.get_x() + bar.get_width() / 2 for bar in container.patches]
            yield from _numbers(container.get_label(), at, heights, ticks)
    for line in ax.lines:
        if line not in told and not str(line.get_label()).startswith("_"):
            yield from _curve(line.get_label(), line, ticks)


def _reach(container: ErrorbarContainer) -> list[float]:
    """Return half the height of every error bar."""
    bars = container.lines[2]
    if not bars:
        return []
    return [float(np.ptp(s[:, 1])) / 2 if len(s) else np.nan for s in bars[0].get_segments()]


def _curve(
    label: object, line: Line2D, ticks: dict[float, str], reach: Sequence[float] = ()
) -> Iterator[str]:
    x, y = (np.asarray(line.get_data(orig=False)[i], float) for i in (0, 1))
    yield from _numbers(label, x, y, ticks, reach)


def _numbers(
    label: object,
    x: Sequence[float] | np.ndarray,
    y: Sequence[float] | np.ndarray,
    ticks: dict[float, str],
    reach: Sequence[float] = (),
) -> Iterator[str]:
    """Yield a line in words: its points, or its ends and extremes; nothing for an empty one."""
    at, values = np.asarray(x, float), np.asarray(y, float)
    known = np.flatnonzero(np.isfinite(values) & np.isfinite(at))
    if known.size == 0 or at.size != values.size:
        return
    name = "" if str(label).startswith("_") else f"{plain(str(label))} "

    def say(i: int) -> str:
        half = reach[i] if i < len(reach) else 0.0
        doubt = f" ± {half:.2g}" if half > 0 else ""
        return f"{values[i]:.3g}{doubt} {_place(at[i], ticks)}"

    ends, lowest, highest = (
        {int(known[0]), int(known[-1])},
        int(known[values[known].argmin()]),
        int(known[values[known].argmax()]),
    )
    if known.size <= ALL:
        end = f", lowest {_place(at[lowest], ticks)}" if known.size > 2 else ""
        yield f"{name}{', '.join(say(int(i)) for i in known)}{end}"
        return
    extremes = [
        f"{what} {say(i)}"
        for what, i in (("lowest", lowest), ("highest", highest))
        if i not in ends
    ]
    yield f"{name}{', '.join([f'{say(int(known[0]))} to {say(int(known[-1]))}', *extremes])}"


def _place(x: float, ticks: dict[float, str]) -> str:
    """Return where a point stands on the horizontal axis, by its tick where ticks have names."""
    if not ticks:
        return f"at {x:.3g}"
    near = min(ticks, key=lambda tick: abs(tick - x))
    if abs(near - x) <= BESIDE:
        return f"at {ticks[near]}"
    below, above = [t for t in ticks if t < x], [t for t in ticks if t > x]
    if not below or not above:
        return f"beyond {ticks[near]}"
    return f"between {ticks[max(below)]} and {ticks[min(above)]}"


def _names_of_ticks(ax: Axes) -> dict[float, str]:
    """Return what places on the horizontal axis are called, where they have names of their own."""
    axis = ax.xaxis
    named = isinstance(axis.get_major_formatter(), FixedFormatter | FuncFormatter)
    if not named or not isinstance(axis.get_major_locator(), FixedLocator):
        return {}
    labels = [plain(label.get_text()) for label in ax.get_xticklabels()]
    return {float(x): text for x, text in zip(ax.get_xticks(), labels, strict=False) if text}
