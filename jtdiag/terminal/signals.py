"""SIGINT and SIGTERM while a command trains: stop gently first, at once the second time."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click

from jtdiag.engine import wording
from jtdiag.engine.stopping import StopRequest, TrainingStopped
from jtdiag.terminal.echo import echo

SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE = 10.0
"""Default seconds that the running epoch may take after a signal; schedulers wait 30 or more."""


@contextmanager
def stoppable(grace: float, message: Callable[[], str]) -> Iterator[StopRequest]:
    """Yield a request that the first signal makes; the second signal ends the block at once.

    So does the first one while no lane is being trained: nothing would look at the request.
    Either way the command exits with 128 plus the number of the signal, which is 130 for Ctrl-C
    and 143 for SIGTERM.

    Args:
        grace: Seconds that the running epoch may take after the first signal.
        message: Returns what is printed before exiting: what is saved and how to go on.
    """
    request = StopRequest()
    received: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1 or not request.heeded:
            for each in SIGNALS:  # the next one ends the process
                signal.signal(each, signal.SIG_DFL)
            raise KeyboardInterrupt
        request.request(grace)
        echo(f"\n{wording.stopping(grace)}", err=True)

    before = {each: signal.getsignal(each) for each in SIGNALS}
    try:
        for each in SIGNALS:
            signal.signal(each, handle)
        yield request
    except (TrainingStopped, KeyboardInterrupt):
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until the message is printed
        before = {each: _exit_with(received) for each in before} if received else before
        echo(f"\n{message()}", err=True)
        sys.exit(128 + (received[0] if received else signal.SIGINT))
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


@contextmanager
def exiting_on_sigterm() -> Iterator[None]:
    """Exit with status 143 on SIGTERM, so that a block can end what it has started.

    Outside the main thread, which alone receives signals, nothing changes.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit_with(received: list[int]) -> Callable[[int, FrameType | None], None]:
    """Return a handler of further signals, while the process ends: it ends at once."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        os._exit(128 + received[0])

    return handle


def grace_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add the option --grace to a command that trains."""
    option = click.option(
        "--grace",
        type=click.FloatRange(min=0),
        default=GRACE,
        show_default=True,
        metavar="SECONDS",
        help="After Ctrl-C or SIGTERM, finish the running epoch if it takes no longer.",
    )
    decorated: Callable[..., None] = option(command)
    return decorated
