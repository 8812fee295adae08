"""Sending alerts beside training: nothing that happens to them stops it."""

import contextlib
import queue
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from jtdiag.alerts.contract import NotSent, Sink
from jtdiag.probing.findings import Finding

DEPTH = 100
"""Alerts that wait for one place; what comes when so many wait is told and left out."""
PATIENCE = 10.0
"""Seconds that a run which has ended waits for its last alerts."""
INTERRUPTED = 2.0
"""The same for a run that was interrupted or failed."""
LONGEST = 300
"""Characters of what a place says of its failure."""

Say = Callable[[str], None]
Alert = tuple[Path | str, Finding]


def say(line: str) -> None:
    """Write a line to the error stream; one that is closed is no reason to stop."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


class Dispatcher:
    """Takes alerts and sends them everywhere, each place by a daemon thread of its own.

    So one place that hangs holds up neither training nor the other places. A failure is one
    line on the error stream, once for each place and kind.
    """

    def __init__(self, sinks: Sequence[Sink] = (), say: Say = say) -> None:
        self._workers = [_Worker(sink, say) for sink in sinks]

    def tell(self, run: Path | str, finding: Finding) -> None:
        """Send an alert, later; what is no alert goes nowhere. Never waits, never raises."""
        if finding.level == "alert":
            for worker in self._workers:
                worker.put((run, finding))

    def close(self, timeout: float = PATIENCE) -> None:
        """Wait some seconds, for all places together, and say what was not sent."""
        until = time.monotonic() + timeout
        for worker in self._workers:
            worker.finish()
        for worker in self._workers:
            worker.join(max(0.0, until - time.monotonic()))

    def __enter__(self) -> "Dispatcher":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close; after an error or an interruption with less patience."""
        self.close(PATIENCE if error is None else INTERRUPTED)


class _Worker:
    """Sends the alerts of one place in their order."""

    def __init__(self, sink: Sink, say: Say) -> None:
        self._sink, self._say = sink, say
        self._waiting: queue.SimpleQueue[Alert | None] = queue.SimpleQueue()
        self._abandoned = False
        self._told, self._left_out, self._settled = 0, 0, 0
        self._failed: Counter[str] = Counter()
        name = f"jtdiag-alerts-{sink.name}"
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def put(self, alert: Alert) -> None:
        self._told += 1
        if self._waiting.qsize() < DEPTH:
            self._waiting.put(alert)
        else:
            self._left_out += 1
            self._fail(f"{DEPTH} alerts are waiting already", "full")

    def finish(self) -> None:
        self._waiting.put(None)

    def join(self, timeout: float) -> None:
        """Wait for the thread, then leave it to itself, and say what did not arrive."""
        self._thread.join(timeout)
        if self._thread.is_alive():
            self._abandoned = True
            left = self._told - self._left_out - self._settled
            waited = f"{left} of {self._told} alerts" if left else "its end"
            self._say(f"{self._sink.name}: {waited} could not be waited for any longer.")
        failed = self._failed.total()
        if failed > len(self._failed):  # some were counted and not told
            self._say(f"{self._sink.name}: {failed} of {self._told} alerts were not sent.")

    def _work(self) -> None:
        while (alert := self._waiting.get()) is not None and not self._abandoned:
            self._send(*alert)
            self._settled += 1
        try:
            self._sink.close()
        except Exception as error:  # noqa: BLE001 - as below
            self._say(f"{self._sink.name} could not be closed: {_line(_named(error))}.")

    def _send(self, run: Path | str, finding: Finding) -> None:
        try:
            self._sink.send(run, finding)
        except NotSent as error:
            self._fail(str(error), error.kind)
        except Exception as error:  # noqa: BLE001 - whatever a tracker raises, training goes on
            self._fail(_named(error), type(error).__name__)

    def _fail(self, message: str, kind: str) -> None:
        self._failed[kind] += 1
        if self._failed[kind] == 1 and not self._abandoned:
            self._say(
                f"An alert was not sent to {self._sink.name}: {_line(message)}. The run goes on; "
                "failures of this kind are told once."
            )


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _line(message: str) -> str:
    """Return words of others as a line that a terminal can be given."""
    printable = "".join(c if c.isprintable() else " " for c in message)
    return textwrap.shorten(printable, LONGEST, placeholder=" …")
