"""Detect runs that have stopped saving epochs."""

import time
from collections import deque

MIN_LIMIT = 60.0
"""Shortest time without a new epoch, in seconds, after which a run counts as stalled."""
FACTOR = 5.0
"""Multiple of the longest recent pause after which a run counts as stalled."""
DEFAULT_LIMIT = 600.0
"""Limit in seconds while the duration of an epoch is unknown."""


class Heartbeat:
    """Pauses between the epochs that a run saves, as measured by one observer.

    Pauses are measured with the observer's own clock. The estimate passed to the constructor is
    used until the first pause has been measured.
    """

    def __init__(self, idle: float = 0.0, pause: float | None = None) -> None:
        """Start measuring.

        Args:
            idle: Seconds since the last epoch was saved; negative values count as 0.
            pause: Estimated seconds between two epochs, if known.
        """
        self._last = time.monotonic() - max(0.0, idle)
        self._pauses: deque[float] = deque([] if pause is None else [pause], maxlen=16)

    def beat(self) -> None:
        """Record that an epoch was saved."""
        self._pauses.append(self.idle)
        self._last = time.monotonic()

    def restart(self) -> None:
        """Measure from now on, without recording the time before as a pause."""
        self._last = time.monotonic()

    @property
    def idle(self) -> float:
        """Seconds since the last epoch was saved."""
        return time.monotonic() - self._last

    @property
    def limit(self) -> float:
        """Seconds without a new epoch after which the run counts as stalled."""
        if not self._pauses:
            return DEFAULT_LIMIT
        return max(MIN_LIMIT, FACTOR * max(self._pauses))

    @property
    def stalled(self) -> bool:
        """True if no epoch was saved for longer than the limit."""
        return self.idle > self.limit
