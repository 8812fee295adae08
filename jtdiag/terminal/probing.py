"""What a terminal shows while a probe measures."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from jtdiag.store.layout import readable
from jtdiag.store.run import Run


class Measuring:
    """A line that says, when it is drawn, for how long a probe measures and what it has read."""

    def __init__(self, run: Run, probe: str) -> None:
        self._run, self._probe = run, probe
        self._begin, self._before = time.monotonic(), run.bytes_read

    def __rich__(self) -> Text:
        """Return the line as of now."""
        seconds = time.monotonic() - self._begin
        read = readable(self._run.bytes_read - self._before)
        return Text(f"  {self._probe}: {seconds:.0f} s, {read} read")


@contextmanager
def measuring(run: Run, probe: str) -> Iterator[None]:
    """Show progress on a terminal until the block ends, and nothing elsewhere."""
    console = Console()
    if not console.is_terminal:
        yield
        return
    with Live(Measuring(run, probe), console=console, transient=True, refresh_per_second=4):
        yield
