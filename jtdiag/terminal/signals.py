"""Signals while a command trains: stop gently first, at once the second time.

SIGINT is Ctrl-C; SIGTERM and SIGUSR1 are what schedulers send before a time limit.
"""

import contextlib
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

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
GRACE = 10.0
"""Default seconds that the running epoch may take after a signal; schedulers wait 30 or more."""


@contextmanager
def stoppable(grace: float, message: Callable[[], str]) -> Iterator[StopRequest]:
    """Yield a request that the first signal makes; the second signal ends the block at once.

    So does the first one while no lane is being trained: nothing would look at the request.
    Either way the command exits with 128 plus the number of the signal, which is 130 for Ctrl-C,
    143 for SIGTERM and 138 for SIGUSR1.

    Args:
        grace: Seconds that the running epoch may take after the first signal.
        message: Returns what is printed before exiting: what is saved and how to go on.
    """
    request = StopRequest()
    received: list[int] = []
    second_signal = _SecondSignal(message)

    def handle(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:  # `second_signal` ends the process
            return
        if not request.heeded:
            for each in SIGNALS:
                signal.signal(each, signal.SIG_DFL)
            raise KeyboardInterrupt
        request.request(grace)
        echo(f"\n{wording.stopping(grace)}", err=True)

    before = {each: signal.getsignal(each) for each in SIGNALS}
    try:
        second_signal.ends_the_process()
        for each in SIGNALS:
            signal.signal(each, handle)
        yield request
    except (TrainingStopped, KeyboardInterrupt):
        second_signal.ends_nothing()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until the message is printed
        before = {each: _exit_with(received) for each in before} if received else before
        echo(f"\n{message()}", err=True)
        sys.exit(128 + (received[0] if received else signal.SIGINT))
    finally:
        second_signal.ends_nothing()
        for each, handler in before.items():
            signal.signal(each, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


class _SecondSignal:
    """Ends the process at the second signal, even while the main thread is in a long computation.

    Handlers of Python only run between two instructions of the main thread, which may be seconds
    away. Python also writes the number of a signal to a pipe at once, where a thread waits for it.
    """

    def __init__(self, message: Callable[[], str]) -> None:
        self._message = message
        self._writing: int | None = None
        self._before = -1

    def ends_the_process(self) -> None:
        """From now on, the second signal prints the message and exits."""
        reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self._before = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        threading.Thread(target=self._wait, args=(reading,), daemon=True).start()

    def ends_nothing(self) -> None:
        """Undo `ends_the_process`."""
        if self._writing is not None:
            signal.set_wakeup_fd(self._before)
            os.close(self._writing)
            self._writing = None

    def _wait(self, reading: int) -> None:
        received: list[int] = []
        while len(received) < 2 and (numbers := os.read(reading, 2)):
            received += [number for number in numbers if number in SIGNALS]
        os.close(reading)
        if len(received) > 1:
            with contextlib.suppress(Exception):
                self._say(self._message())
            os._exit(128 + received[0])

    def _say(self, message: str) -> None:
        from jtdiag.terminal.console import Console

        Console(stderr=True).show_cursor()  # which displays of progress hide
        echo(f"\n{message}", err=True)


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
        help="After Ctrl-C, SIGTERM or SIGUSR1, finish the running epoch if it takes no longer.",
    )
    decorated: Callable[..., None] = option(command)
    return decorated
