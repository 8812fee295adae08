"""A screen that one likes to leave open: it is drawn anew after every look."""

import time

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from jtdiag.terminal.sparkline import BAR, BLOCKS, REST, UNKNOWN
from jtdiag.terminal.watch_folder import of_folder
from jtdiag.terminal.watch_page import Page
from jtdiag.terminal.watch_run import of_run
from jtdiag.watch import FolderWatch, RunWatch
from jtdiag.watch.events import Happened

FOOT = "Ctrl-C ends the watch, not the training"
CATCHING_UP = 0.5
"""Seconds after which a look that finds much is shown before it is over."""


def picture(watched: RunWatch | FolderWatch, page: Page) -> list[Text]:
    """Return a run, or the runs of a folder, as lines that fit a page."""
    return of_folder(watched, page) if isinstance(watched, FolderWatch) else of_run(watched, page)


def ascii_only(console: Console) -> bool:
    """Tell whether a console's encoding lacks what bars and sparklines are drawn with."""
    try:
        (BLOCKS + BAR + REST + UNKNOWN).encode(console.encoding)
    except (UnicodeEncodeError, LookupError):
        return True
    return False


def print_picture(console: Console, watched: RunWatch | FolderWatch) -> None:
    """Print the picture as long as it takes."""
    page = Page(width=console.width, ascii_only=ascii_only(console))
    console.print(Group(*picture(watched, page)))


class Screen:
    """The picture on the whole of a terminal, with the time; left behind when the watch ends."""

    def __init__(self, console: Console, watched: RunWatch | FolderWatch) -> None:
        self._console, self._watched = console, watched
        self._live = Live(console=console, screen=True, auto_refresh=False)
        self._drawn = 0.0

    def __enter__(self) -> "Screen":
        """Take the terminal."""
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Give the terminal back, with the last picture on it."""
        self._live.stop()
        print_picture(self._console, self._watched)

    def take(self, happened: Happened) -> None:
        """Draw what is known so far where a look takes long."""
        if time.monotonic() - self._drawn > CATCHING_UP:
            self.draw()

    def draw(self) -> None:
        """Draw the picture as it is now, for the terminal as large as it is now."""
        size = self._console.size
        page = Page(
            width=size.width, height=max(1, size.height - 1), ascii_only=ascii_only(self._console)
        )
        lines = picture(self._watched, page)
        lines += [Text()] * (size.height - 1 - len(lines))
        foot = Text(f"{time.strftime('%H:%M:%S')}  {FOOT}", style="dim")
        self._live.update(Group(*lines, *page.fitted([foot])), refresh=True)
        self._drawn = time.monotonic()
