"""Names of runs as labels of figures: as they are, whatever characters they contain."""

import textwrap
from collections import Counter
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.font_manager import FontProperties, findfont, get_font

from jtdiag.errors import shortened
from jtdiag.printable import one_line, printable

LINE = 30
"""Characters of a line of a label beside a figure."""
LONGEST = 60
"""Characters of a label; a longer name would leave no room for the figure."""


def drawable(run_names: Sequence[str]) -> list[str]:
    """Return names as labels that matplotlib draws as they are, in the current style.

    A dollar sign begins no mathematics, a leading underscore does not remove the label from the
    legend, and characters that no font contains are written as escapes. Long names are shortened;
    if that makes two of them equal, they are numbered.
    """
    short = [shortened(_written(name), LONGEST) for name in run_names]
    counts = Counter(short)
    return [
        _as_it_is(f"{i}. {label}" if counts[label] > 1 else label)
        for i, label in enumerate(short, 1)
    ]


def wrapped(label: str) -> str:
    """Return a label of `drawable` on as many lines as it needs beside a figure."""
    return "\n".join(textwrap.wrap(label, LINE)) or label


def undrawn(label: str) -> str:
    """Return a label of `drawable` as text for messages."""
    return label.replace(r"\$", "$").strip()


def _as_it_is(label: str) -> str:
    """Escape what matplotlib would not draw; labels that begin with an underscore are hidden."""
    return (" " if label.startswith("_") else "") + label.replace("$", r"\$")


def _written(name: str) -> str:
    """Return a name on one line, with escapes for characters that no font contains."""
    text = printable(name).replace("\n", r"\n")
    fonts = [get_font(path) for path in dict.fromkeys(_font_files())]
    return one_line(
        "".join(c if any(f.get_char_index(ord(c)) for f in fonts) else _escape(c) for c in text)
    )


def _font_files() -> list[str]:
    families = mpl.rcParams["font.family"]
    return [findfont(FontProperties(family=[family])) for family in families]


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
