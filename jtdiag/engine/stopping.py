"""Stopping a training from outside, such as by a signal, without losing a sealed epoch."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class TrainingStopped(Exception):  # noqa: N818 - it is no error
    """Training stopped as requested; everything that was sealed is on disk."""


class StopRequest:
    """A request to stop, which training looks at between batches and between epochs.

    The running epoch is finished and sealed if that takes no longer than the grace period, judged
    by the pace of the epoch so far; otherwise it is given up.
    """

    def __init__(self) -> None:
        self._deadline: float | None = None
        self.heeded = False
        """Whether lanes are being trained, so that the request will be seen within an epoch."""

    @property
    def requested(self) -> bool:
        """Whether training is to stop."""
        return self._deadline is not None

    @property
    def seconds_left(self) -> float:
        """Seconds that the running epoch may still take; 0 if training is not to stop."""
        return 0.0 if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def request(self, grace: float) -> None:
        """Ask training to stop. Safe to call from a signal handler or another thread.

        Args:
            grace: Seconds that the running epoch may still take.
        """
        self._deadline = time.monotonic() + grace

    @contextmanager
    def heeding(self) -> Iterator[None]:
        """Look at the request while the block runs; outside, whoever stops must do so at once."""
        self.heeded = True
        try:
            yield
        finally:
            self.heeded = False

    def between_epochs(self) -> None:
        """Stop if that was requested.

        Raises:
            TrainingStopped: then.
        """
        if self.requested:
            raise TrainingStopped

    def within_epoch(self, started: float, share: float) -> None:
        """Give up the epoch if the request leaves too little time for it.

        Args:
            started: When the epoch began, by ``time.monotonic``.
            share: Share of its batches that are done, above 0.

        Raises:
            TrainingStopped: if the epoch would end after the grace period.
        """
        if not self.requested or self._deadline is None:
            return
        now = time.monotonic()
        if now + (now - started) * (1 - share) / share > self._deadline:
            raise TrainingStopped

    def within_evaluation(self) -> None:
        """Give up the epoch if the time for it has passed.

        Raises:
            TrainingStopped: then.
        """
        if self.requested and self.seconds_left == 0:
            raise TrainingStopped
