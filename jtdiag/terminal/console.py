"""A console of rich that prints text without control characters, whoever wrote it."""

from collections.abc import Iterable
from typing import Any

import rich.console
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment

from jtdiag.printable import printable, with_addresses

NARROWEST = 40
"""Columns below which nothing is readable."""


class Console(rich.console.Console):
    """Writes out control characters of a text; those of styles and displays are kept."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if not self.is_terminal and self.width < NARROWEST:  # as by COLUMNS=1
            self.width = NARROWEST

    def print(self, *objects: Any, **options: Any) -> None:
        """Print objects; texts have the addresses of runs in object stores."""
        super().print(*(with_addresses(o) if isinstance(o, str) else o for o in objects), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render an object, without control characters in its texts."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)
