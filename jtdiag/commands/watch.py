"""jtdiag watch."""

import io
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from jtdiag.terminal.alert_options import AlertOptions, alert_options

if TYPE_CHECKING:
    from jtdiag.alerts.dispatch import Dispatcher
    from jtdiag.watch import FolderWatch, RunWatch
    from jtdiag.watch.events import Happened

ALERTED = 3
"""Exit status when an alert was raised; 1 and 2 are errors."""
INTERRUPTED = 130
LEAST_PAUSE = 0.2
"""Share of the interval that is left to others where a look takes long."""
PATIENCE = 30.0
"""Seconds for which --until-done waits for the first run of a folder."""


class Display(Protocol):
    """Shows what happens."""

    def take(self, happened: "Happened") -> None:
        """Show an event."""

    def draw(self) -> None:
        """Show how things stand after a look."""


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--plain", "style", flag_value="plain", help="One line an event; the default off a terminal."
)
@click.option("--json", "style", flag_value="json", help="One JSON object an event.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.05),
    default=0.5,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--once", is_flag=True, help="Look once, print what is there, and end.")
@click.option("--until-done", is_flag=True, help="Of a folder: end when no run in it trains.")
@alert_options
def watch(
    run: Path,
    style: str | None,
    interval: float,
    once: bool,
    until_done: bool,
    alerts: AlertOptions,
) -> None:
    """Follow the run in folder RUN, or all runs below it, while they train.

    Shows lanes, errors and findings on a terminal; elsewhere prints a line for
    each event. A single run is followed to its end, a folder of runs until Ctrl-C.

    Exit status: 0 without an alert, 3 with one, 1 if a run died, 130 on Ctrl-C.
    """
    from jtdiag.watch import begin

    _encodable()
    try:
        notes = Notes()
        with alerts.dispatcher(notes.take) as dispatcher:
            watched = begin(run)
            with notes.kept(), _display(watched, style, once) as display:
                looking = Looking(watched, display, dispatcher, until_done=until_done)
                looking.to_the_end(interval, once=once)
    except KeyboardInterrupt:
        click.echo("The watch ended; what trains goes on.", err=True)
        raise SystemExit(INTERRUPTED) from None
    _end(watched)


class Notes:
    """Lines for the error stream, kept while a screen would paint them over."""

    def __init__(self) -> None:
        self._kept: list[str] | None = None

    def take(self, line: str) -> None:
        """Write a line, now or when the display has ended."""
        if self._kept is None:
            click.echo(line, err=True)
        else:
            self._kept.append(line)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep lines meanwhile where the output is a terminal; then write them."""
        self._kept = [] if sys.stdout.isatty() else None
        try:
            yield
        finally:
            lines, self._kept = self._kept or [], None
            for line in lines:
                click.echo(line, err=True)


class Looking:
    """Takes looks: what they find is shown, and told where alerts go."""

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

    def to_the_end(self, interval: float, *, once: bool) -> None:
        """Look again and again, until nothing more is to come."""
        first = begun = time.monotonic()
        self.look()
        while not (once or (self._watched.over and self._ends)):
            if self._ends and time.monotonic() >= first + PATIENCE:
                _require_runs(self._watched)
            time.sleep(max(LEAST_PAUSE * interval, begun + interval - time.monotonic()))
            begun = time.monotonic()
            self.look()

    def look(self) -> None:
        """Take a look and show it."""
        from jtdiag.watch import look_at

        for happened in look_at(self._watched):
            if self._single or worth_a_line(happened):
                self._display.take(happened)
            self.pass_on(happened)
        self._display.draw()

    def pass_on(self, happened: "Happened") -> None:
        """Tell an alert where alerts go, unless its run was over before the watch began."""
        from jtdiag.probing.findings import Finding

        if isinstance(happened.what, Finding) and not happened.old:
            self._dispatcher.send(happened.run, happened.what)


def worth_a_line(happened: "Happened") -> bool:
    """Tell whether a folder's log has a line for it: of a run long over, that it is there."""
    from jtdiag.watch.events import Ended, Sealed

    return not (happened.old and isinstance(happened.what, Sealed | Ended))


@contextmanager
def _display(watched: "RunWatch | FolderWatch", style: str | None, once: bool) -> Iterator[Display]:
    from rich.console import Console

    from jtdiag.terminal.watch_lines import JsonLines, Lines, PlainLines
    from jtdiag.terminal.watch_screen import Screen, print_picture
    from jtdiag.watch import FolderWatch

    console = Console()
    on_screen = style is None and console.is_terminal
    if isinstance(watched, FolderWatch) and not (once or on_screen or watched.any_below):
        click.echo(f"{watched.folder} holds no run yet; waiting for one.", err=True)
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
        raise StoreError(f"{watched.folder} holds no run. Name a run, or a folder of runs.")


def _encodable() -> None:
    """Let what the terminal or the log has no letter for, as λ, become a question mark."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _end(watched: "RunWatch | FolderWatch") -> None:
    """End with the status that says how it went.

    Raises:
        StoreError: if a run died, and no alert was raised.
    """
    from jtdiag.errors import StoreError
    from jtdiag.watch import FolderWatch

    runs = list(watched.runs.values()) if isinstance(watched, FolderWatch) else [watched]
    if any(one.alerts for one in runs):
        raise SystemExit(ALERTED)
    dead = [one.path for one in runs if one.state == "dead"]
    if dead:
        which = f"{dead[0]}" if len(dead) == 1 else f"{len(dead)} runs, {dead[0]} among them"
        raise StoreError(
            f"{which}: the engine is gone before the run was done. "
            f"Go on with: jtdiag train {dead[0]} --resume"
        )
