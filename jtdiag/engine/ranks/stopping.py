"""Requests to stop that all processes of a training follow at the same place."""

from collections.abc import Callable

from jtdiag.engine.ranks.processes import Ranks
from jtdiag.engine.stopping import StopRequest, TrainingStopped

LOOKS = 10
"""How often in an epoch the processes ask each other whether it is to be given up."""


class AgreedStopRequest(StopRequest):
    """A request that is made if one of the processes has received it."""

    def __init__(self, own: StopRequest, ranks: Ranks) -> None:
        super().__init__()
        self._own, self._ranks = own, ranks
        self._looks = 0

    def between_epochs(self) -> None:
        """Stop if that was requested of any process.

        Raises:
            TrainingStopped: then, in all of them.
        """
        self._looks = 0
        self._agree(self._own.between_epochs)

    def within_epoch(self, started: float, share: float) -> None:
        """Give up the epoch if the request leaves any process too little time for it.

        Args:
            started: When the epoch began, by ``time.monotonic``.
            share: Share of its batches that are done; the same in all processes.

        Raises:
            TrainingStopped: then, in all of them.
        """
        if share * LOOKS >= self._looks + 1:
            self._looks = int(share * LOOKS)
            self._agree(lambda: self._own.within_epoch(started, share))

    def within_evaluation(self) -> None:
        """Go on: an evaluation is short, and begun in all processes."""

    def _agree(self, look: Callable[[], None]) -> None:
        try:
            look()
            stopped = False
        except TrainingStopped:
            stopped = True
        if any(self._ranks.gather(stopped)):
            raise TrainingStopped
