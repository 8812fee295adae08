"""Progress of a running probe on a terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.live import Live
from rich.text import Text

from jtdiag.probing.contract import Probe
from jtdiag.store.run import Run
from jtdiag.terminal import wording
from jtdiag.terminal.console import Console
from jtdiag.terminal.echo import echo

LONG = 30.0
"""Estimated seconds from which a probe says beforehand how long it takes."""


def announce(run: Run, probe: Probe, *, brief: bool = False) -> None:
    """Print that a probe begins, and an estimate if it takes long.

    Args:
        run: The run.
        probe: The probe.
        brief: Whether only the estimate is printed.
    """
    seconds = probe.seconds(run) if probe.seconds else 0.0
    if not brief:
        echo(wording.probe_running(probe.name, probe.question))
    if seconds >= LONG:
        echo(wording.probe_takes(probe.name, seconds))


class Measuring:
    """A line with the time that a probe has been running and the amount of data it has read."""

    def __init__(self, run: Run, probe: str) -> None:
        self._run, self._probe = run, probe
        self._start, self._bytes_before = time.monotonic(), run.bytes_read

    def __rich__(self) -> Text:
        """Return the line as it is now."""
        seconds = time.monotonic() - self._start
        bytes_read = self._run.bytes_read - self._bytes_before
        return Text(wording.probe_progress(self._probe, seconds, bytes_read))


@contextmanager
def measuring(run: Run, probe: str, *, shown: bool = True) -> Iterator[None]:
    """Show progress until the block ends if the output is a terminal, unless it is not wanted."""
    console = Console()
    if not (shown and console.is_terminal):
        yield
        return
    with Live(Measuring(run, probe), console=console, transient=True, refresh_per_second=4):
        yield
