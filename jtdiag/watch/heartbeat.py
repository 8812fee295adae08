"""When a run that seals nothing is called silent."""

import time
from collections import deque

LEAST = 60.0
"""Seconds for which no run is called silent."""
PATIENCE = 5.0
"""Times the longest of its recent pauses that a run may be quiet."""
UNKNOWN = 600.0
"""Seconds that it may be quiet while nobody knows how long an epoch takes."""


class Heartbeat:
    """The pauses between a run's seals, as one observer sees them.

    Only pauses count that the observer has seen himself, by his own clock; what he is told at the
    beginning stands in until then.
    """

    def __init__(self, quiet: float = 0.0, usual: float | None = None) -> None:
        """Begin to listen.

        Args:
            quiet: Seconds since the last beat, at least 0.
            usual: Seconds between two beats so far, if anybody knows.
        """
        self._last = time.monotonic() - max(0.0, quiet)
        self._pauses: deque[float] = deque([] if usual is None else [usual], maxlen=16)

    def beat(self) -> None:
        """Note that something was sealed."""
        self._pauses.append(self.quiet)
        self._last = time.monotonic()

    def restart(self) -> None:
        """Count from now, without calling what has passed a pause."""
        self._last = time.monotonic()

    @property
    def quiet(self) -> float:
        """Seconds since the last beat."""
        return time.monotonic() - self._last

    @property
    def limit(self) -> float:
        """Seconds of quiet after which the run is silent."""
        if not self._pauses:
            return UNKNOWN
        return max(LEAST, PATIENCE * max(self._pauses))

    @property
    def stopped(self) -> bool:
        """True when the run has been quiet for too long."""
        return self.quiet > self.limit
