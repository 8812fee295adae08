"""Writing in parallel with training: a bounded queue of jobs and one thread."""

import queue
import threading
from collections.abc import Callable
from types import TracebackType

Job = Callable[[], None]


class BackgroundWriter:
    """Runs jobs in order on a separate thread, with at most `depth` of them waiting.

    `put` blocks while the queue is full, so memory is bounded. An exception in a job is raised in
    the main thread by the next `put`, or on leaving the context; later jobs are dropped.
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
        """Finish the queued jobs, then raise the exception of a job, if no other is active."""
        self._jobs.put(None)
        self._thread.join()
        if error is None:
            self._raise()

    def put(self, job: Job) -> None:
        """Queue a job; block while the queue is full.

        Raises:
            Exception: the exception of an earlier job.
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
