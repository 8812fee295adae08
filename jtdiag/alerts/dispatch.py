"""Sending alerts from background threads, so that training never waits for a sink."""

import contextlib
import queue
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from jtdiag.alerts import wording
from jtdiag.alerts.contract import NotSent, Sink
from jtdiag.printable import one_line, printable
from jtdiag.probing.findings import Finding

DEPTH = 100
"""Alerts that may wait for one sink; further ones are dropped, which is reported."""
PATIENCE = 10.0
"""Seconds to wait for the last alerts when a run ends."""
INTERRUPTED = 2.0
"""The same when a run is interrupted or fails."""

PrintLine = Callable[[str], None]
Alert = tuple[Path | str, Finding]


def print_error(line: str) -> None:
    """Write a line to stderr; nothing happens if stderr is closed."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{printable(line)}\n")
        sys.stderr.flush()


class Dispatcher:
    """Sends alerts to all sinks, each in a daemon thread of its own.

    A sink that hangs delays neither training nor the other sinks. A failure is reported in one
    line on stderr, once for each sink and kind of failure.
    """

    def __init__(self, sinks: Sequence[Sink] = (), print_line: PrintLine = print_error) -> None:
        self._workers = [_Worker(sink, print_line) for sink in sinks]

    def send(self, run: Path | str, finding: Finding) -> None:
        """Send a finding in the background if it is an alert. Never waits, never raises."""
        if finding.level == "alert":
            for worker in self._workers:
                worker.put((run, finding))

    def close(self, timeout: float = PATIENCE) -> None:
        """Wait for all sinks, `timeout` seconds in total, and report unsent alerts."""
        deadline = time.monotonic() + timeout
        for worker in self._workers:
            worker.finish()
        for worker in self._workers:
            worker.join(max(0.0, deadline - time.monotonic()))

    def __enter__(self) -> "Dispatcher":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close, with a shorter timeout after an error or an interruption."""
        self.close(PATIENCE if error is None else INTERRUPTED)


class _Worker:
    """Sends the alerts of one sink in order."""

    def __init__(self, sink: Sink, print_line: PrintLine) -> None:
        self._sink, self._print_line = sink, print_line
        self._queue: queue.SimpleQueue[Alert | None] = queue.SimpleQueue()
        self._abandoned = False
        self._total, self._dropped, self._processed = 0, 0, 0
        self._failures: Counter[str] = Counter()
        name = f"jtdiag-alerts-{sink.name}"
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def put(self, alert: Alert) -> None:
        self._total += 1
        if self._queue.qsize() < DEPTH:
            self._queue.put(alert)
        else:
            self._dropped += 1
            self._fail(wording.queue_full(DEPTH), "full")

    def finish(self) -> None:
        self._queue.put(None)

    def join(self, timeout: float) -> None:
        """Wait for the thread, abandon it after the timeout, and report unsent alerts."""
        self._thread.join(timeout)
        if self._thread.is_alive():
            self._abandoned = True
            unsent = self._total - self._dropped - self._processed
            self._print_line(wording.gave_up_waiting(self._sink.name, unsent, self._total))
            self._stop()
        failed = self._failures.total()
        if failed > len(self._failures):  # some were not reported
            self._print_line(wording.not_sent_total(self._sink.name, failed, self._total))

    def _stop(self) -> None:
        """End what the sink has started, if it can; the thread itself ends with the program."""
        with contextlib.suppress(Exception):  # a sink may raise anything
            getattr(self._sink, "stop", lambda: None)()

    def _work(self) -> None:
        while (alert := self._queue.get()) is not None and not self._abandoned:
            self._send(*alert)
            self._processed += 1
        try:
            self._sink.close()
        except Exception as error:  # noqa: BLE001 - as below
            self._print_line(wording.not_closed(self._sink.name, one_line(_with_type(error))))

    def _send(self, run: Path | str, finding: Finding) -> None:
        try:
            self._sink.send(run, finding)
        except NotSent as error:
            self._fail(str(error), error.kind)
        except Exception as error:  # noqa: BLE001 - a sink may raise anything; training continues
            self._fail(_with_type(error), type(error).__name__)

    def _fail(self, reason: str, kind: str) -> None:
        self._failures[kind] += 1
        if self._failures[kind] == 1 and not self._abandoned:
            self._print_line(wording.not_sent(self._sink.name, one_line(reason)))


def _with_type(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
