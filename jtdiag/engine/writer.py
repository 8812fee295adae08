"""Writing beside training: jobs in a bounded queue, done by one thread."""

import queue
import threading
from collections.abc import Callable
from types import TracebackType

Job = Callable[[], None]


class BackgroundWriter:
    """Does jobs in order on a thread of its own, at most `depth` of them waiting.

    A full queue makes `put` wait, so memory stays bounded. What a job raises comes up in the
    main thread at the next `put`, or when the context is left; jobs after it are dropped.
    """

    def __init__(self, depth: int = 2) -> None:
        self._jobs: queue.Queue[Job | None] = queue.Queue(depth)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="jtdiag-writer", daemon=True)

    def __enter__(self) -> "BackgroundWriter":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish what is queued, then raise what a job raised, unless something worse has."""
        self._jobs.put(None)
        self._thread.join()
        if error is None:
            self._raise()

    def put(self, job: Job) -> None:
        """Queue a job; wait while the queue is full.

        Raises:
            Exception: whatever an earlier job raised.
        """
        self._raise()
        self._jobs.put(job)

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._error is None:
                try:
                    job()
                except BaseException as error:  # noqa: BLE001 - raised again in the main thread
                    self._error = error
