"""jtdiag watch."""

import io
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from jtdiag.printable import shell_word
from jtdiag.terminal.alert_options import AlertOptions, alert_options
from jtdiag.terminal.echo import echo
from jtdiag.terminal.run_path import RUN

if TYPE_CHECKING:
    from jtdiag.alerts.dispatch import Dispatcher
    from jtdiag.watch import FolderWatch, RunWatch
    from jtdiag.watch.events import RunEvent

ALERTED = 3
"""Exit status if an alert was raised; 1 and 2 are errors."""
INTERRUPTED = 130
"""Exit status after Ctrl-C."""
MIN_PAUSE = 0.2
"""Shortest pause between two polls, as a fraction of the interval."""
PATIENCE = 30.0
"""Seconds that --until-done waits for the first run of a folder."""


class Display(Protocol):
    """Displays events."""

    def take(self, run_event: "RunEvent") -> None:
        """Display an event."""

    def draw(self) -> None:
        """Display the current status after a poll."""


@click.command()
@click.argument("run", type=RUN)
@click.option(
    "--plain",
    "style",
    flag_value="plain",
    help="Print one line per event (default if the output is not a terminal).",
)
@click.option("--json", "style", flag_value="json", help="Print one JSON object per event.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.05),
    default=0.5,
    show_default=True,
    help="Polling interval in seconds.",
)
@click.option("--once", is_flag=True, help="Print the status once and exit.")
@click.option("--until-done", is_flag=True, help="Exit when no run in the folder is training.")
@alert_options
def watch(
    run: Path,
    style: str | None,
    interval: float,
    once: bool,
    until_done: bool,
    alerts: AlertOptions,
) -> None:
    """Follow a run, or all runs in a folder, during training.

    On a terminal, shows the lanes, errors and findings of RUN; otherwise prints one line per
    event. A single run is followed until it ends, a folder of runs until Ctrl-C.

    Exit status: 0 if no alert was raised, 3 if one was, 1 if a training process exited early,
    130 on Ctrl-C, 143 on SIGTERM.
    """
    from jtdiag.terminal import wording
    from jtdiag.terminal.signals import exiting_on_sigterm
    from jtdiag.watch import start

    _replace_unencodable()
    try:
        notes = Notes()
        with (
            exiting_on_sigterm(),
            _one_reading_thread(),
            alerts.dispatcher(notes.take) as dispatcher,
        ):
            watched = start(run)
            with notes.kept(), _display(watched, style, once) as display:
                polling = Polling(watched, display, dispatcher, until_done=until_done)
                polling.run(interval, once=once)
    except KeyboardInterrupt:
        echo(wording.stopped_watching(), err=True)
        raise SystemExit(INTERRUPTED) from None
    _exit(watched)


class Notes:
    """Lines for stderr, held back while the full-screen display is shown."""

    def __init__(self) -> None:
        self._kept: list[str] | None = None

    def take(self, line: str) -> None:
        """Print a line, now or when the display has ended."""
        if self._kept is None:
            echo(line, err=True)
        else:
            self._kept.append(line)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Hold lines back if the output is a terminal, and print them afterwards."""
        self._kept = [] if sys.stdout.isatty() else None
        try:
            yield
        finally:
            lines, self._kept = self._kept or [], None
            for line in lines:
                echo(line, err=True)


class Polling:
    """Polls a run or a folder, displays the events and dispatches the alerts."""

    def __init__(
        self,
        watched: "RunWatch | FolderWatch",
        display: Display,
        dispatcher: "Dispatcher",
        *,
        until_done: bool,
    ) -> None:
        from jtdiag.watch import RunWatch

        self._watched, self._display, self._dispatcher = watched, display, dispatcher
        self._single = isinstance(watched, RunWatch)
        self._ends = self._single or until_done

    def run(self, interval: float, *, once: bool) -> None:
        """Poll until no more events are expected."""
        started = last = time.monotonic()
        self.poll()
        while not (once or (self._watched.over and self._ends)):
            if self._ends and time.monotonic() >= started + PATIENCE:
                _require_runs(self._watched)
            time.sleep(max(MIN_PAUSE * interval, last + interval - time.monotonic()))
            last = time.monotonic()
            self.poll()

    def poll(self) -> None:
        """Poll once and display the events."""
        from jtdiag.watch import poll

        for run_event in poll(self._watched):
            if self._single or worth_a_line(run_event):
                self._display.take(run_event)
            self.dispatch(run_event)
        self._display.draw()

    def dispatch(self, run_event: "RunEvent") -> None:
        """Dispatch an alert, unless its run had ended before the watch started."""
        from jtdiag.probing.findings import Finding

        if isinstance(run_event.event, Finding) and not run_event.old:
            self._dispatcher.send(run_event.run, run_event.event)


def worth_a_line(run_event: "RunEvent") -> bool:
    """Return whether the log of a folder has a line for an event.

    For a run that had ended before the watch started, epochs and the end are left out.
    """
    from jtdiag.watch.events import Ended, Sealed

    return not (run_event.old and isinstance(run_event.event, Sealed | Ended))


@contextmanager
def _display(watched: "RunWatch | FolderWatch", style: str | None, once: bool) -> Iterator[Display]:
    from jtdiag.terminal import wording
    from jtdiag.terminal.console import Console
    from jtdiag.terminal.watch_lines import JsonLines, Lines, PlainLines
    from jtdiag.terminal.watch_screen import Screen, print_picture
    from jtdiag.watch import FolderWatch

    console = Console()
    on_screen = style is None and console.is_terminal
    if isinstance(watched, FolderWatch) and not (once or on_screen or watched.any_below):
        echo(wording.waiting_for_runs(watched.folder), err=True)
    if style == "json":
        yield JsonLines()
    elif style == "plain" or not (once or console.is_terminal):
        yield PlainLines(console, watched.name if isinstance(watched, FolderWatch) else None)
    elif once:
        yield Lines()
        print_picture(console, watched)
    else:
        with Screen(console, watched) as screen:
            yield screen


def _require_runs(watched: "RunWatch | FolderWatch") -> None:
    from jtdiag.errors import StoreError
    from jtdiag.watch import FolderWatch

    if isinstance(watched, FolderWatch) and not (watched.runs or watched.troubled):
        raise StoreError(f"{watched.folder} contains no runs; pass a run or a folder of runs.")


def _one_reading_thread() -> AbstractContextManager[object]:
    """Let zarr read with one thread: a poll reads little, and the pool would grow with time."""
    import zarr

    return zarr.config.set({"threading.max_workers": 1})


def _replace_unencodable() -> None:
    """Replace characters that stdout cannot encode, such as λ, with a question mark."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _exit(watched: "RunWatch | FolderWatch") -> None:
    """Exit with the status of the watched runs.

    Raises:
        StoreError: if a training process exited early and no alert was raised.
    """
    from jtdiag.errors import StoreError
    from jtdiag.watch import FolderWatch

    runs = list(watched.runs.values()) if isinstance(watched, FolderWatch) else [watched]
    if any(run.alerts for run in runs):
        raise SystemExit(ALERTED)
    exited = [run.path for run in runs if run.state == "dead"]
    if exited:
        others = f" (and {len(exited) - 1} more)" if len(exited) > 1 else ""
        raise StoreError(
            f"{exited[0]}{others}: the training process exited before the run was complete. "
            f"Resume with: jtdiag train {shell_word(exited[0])} --resume"
        )
