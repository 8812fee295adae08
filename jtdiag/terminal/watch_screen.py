"""The full-screen display of `jtdiag watch`, redrawn after every poll."""

import time

from rich.console import Group
from rich.live import Live
from rich.text import Text

from jtdiag.terminal import wording
from jtdiag.terminal.console import Console
from jtdiag.terminal.sparkline import BAR, BLOCKS, REST, UNKNOWN
from jtdiag.terminal.watch_folder import of_folder
from jtdiag.terminal.watch_page import Page
from jtdiag.terminal.watch_run import of_run
from jtdiag.watch import FolderWatch, RunWatch
from jtdiag.watch.events import RunEvent

MAX_DELAY = 0.5
"""Seconds after which the screen is redrawn during a long poll."""


def picture(watched: RunWatch | FolderWatch, page: Page) -> list[Text]:
    """Return the screen of a run or of a folder as lines that fit the page."""
    return of_folder(watched, page) if isinstance(watched, FolderWatch) else of_run(watched, page)


def ascii_only(console: Console) -> bool:
    """Return whether a console's encoding lacks the characters of bars and sparklines."""
    try:
        (BLOCKS + BAR + REST + UNKNOWN).encode(console.encoding)
    except (UnicodeEncodeError, LookupError):
        return True
    return False


def print_picture(console: Console, watched: RunWatch | FolderWatch) -> None:
    """Print the screen without limiting its height."""
    page = Page(width=console.width, ascii_only=ascii_only(console))
    console.print(Group(*picture(watched, page)))


class Screen:
    """A full-screen display with the time of day; its last content stays on the terminal."""

    def __init__(self, console: Console, watched: RunWatch | FolderWatch) -> None:
        self._console, self._watched = console, watched
        self._live = Live(console=console, screen=True, auto_refresh=False)
        self._drawn = 0.0

    def __enter__(self) -> "Screen":
        """Start the full-screen mode."""
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """End the full-screen mode and print the last content."""
        self._live.stop()
        print_picture(self._console, self._watched)

    def take(self, run_event: RunEvent) -> None:
        """Redraw during a poll that takes long."""
        if time.monotonic() - self._drawn > MAX_DELAY:
            self.draw()

    def draw(self) -> None:
        """Redraw the screen at the current size of the terminal."""
        size = self._console.size
        page = Page(
            width=size.width, height=max(1, size.height - 1), ascii_only=ascii_only(self._console)
        )
        lines = picture(self._watched, page)
        lines += [Text()] * (size.height - 1 - len(lines))
        foot = Text(f"{time.strftime('%H:%M:%S')}  {wording.CTRL_C}", style="dim")
        self._live.update(Group(*lines, *page.fitted([foot])), refresh=True)
        self._drawn = time.monotonic()
