"""What is checked of the workers of a cluster, and what they are told."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from jtdiag import files
from jtdiag.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client

THREADS = "threads"
"""Resource of a worker: threads that a lane may use; without it, the threads of the worker."""
WAIT = 60
"""Seconds to wait for the first worker."""

_LANES = threading.Lock()


def check(client: "Client", folder: Path) -> None:
    """Check that the workers that are there can train or measure lanes of a run.

    Args:
        client: The client.
        folder: Folder of the run; it need not exist.

    Raises:
        ClusterError: if there is no worker, or one has no jtdiag or another version of it, or does
            not see the folder.
    """
    try:
        client.wait_for_workers(1, timeout=WAIT)
    except TimeoutError as error:
        raise ClusterError(
            f"The cluster has had no worker for {WAIT} s. Start workers, such as with: dask worker "
            f"{client.scheduler.address}"
        ) from error
    versions = client.run(version, "jtdiag", on_error="return")
    for worker, of_worker in versions.items():
        _require_version(worker, of_worker)
    _require_shared(client, folder)


def _require_version(worker: str, of_worker: object) -> None:
    own = version("jtdiag")
    if isinstance(of_worker, PackageNotFoundError):
        raise ClusterError(
            f"The worker {worker} has no jtdiag. Install jtdiag {own} in its environment."
        )
    if isinstance(of_worker, BaseException):
        raise ClusterError(f"The worker {worker} does not answer ({of_worker}). Start it again.")
    if of_worker != own:
        raise ClusterError(
            f"The worker {worker} has jtdiag {of_worker}, and this is {own}. Install the same "
            "version in both environments."
        )


def _require_shared(client: "Client", folder: Path) -> None:
    """Check that workers see a file in the folder of the run, or in which it will be."""
    parent = folder.absolute()
    while not parent.exists():
        parent = parent.parent
    mark = files.draft_of(parent / f"shared-{uuid4().hex[:8]}")
    try:
        if os.access(parent, os.W_OK):
            mark.touch()
        else:  # a run that may only be read
            mark = parent / "recipe.toml"
        seen = client.run(os.path.exists, str(mark), on_error="return")
    finally:
        if mark.suffix == ".draft":
            mark.unlink(missing_ok=True)
    for worker, sees in seen.items():
        if sees is not True:
            raise ClusterError(
                f"The worker {worker} does not see the files in {parent}. Choose a folder that all "
                "machines share under the same path."
            )


def threads() -> int:
    """Return the number of threads that a task on this worker may use."""
    from distributed import get_worker

    state = get_worker().state
    return int(state.total_resources.get(THREADS, state.nthreads))


@contextmanager
def alone() -> Iterator[None]:
    """Run a block when no other task of this worker runs one: it uses all threads of the worker."""
    with _LANES:
        yield


class TaskWatch:
    """Says whether Dask still wants the result of the task in which this is created."""

    def __init__(self) -> None:
        from distributed import get_worker

        worker: Any = get_worker()
        self._tasks, self._key = worker.state.tasks, worker.get_current_task()

    @property
    def cancelled(self) -> bool:
        """Whether the task was cancelled, such as because its client has ended."""
        task = self._tasks.get(self._key)
        return task is None or task.state == "cancelled"


def ignoring_signals() -> Any:
    """Return a plugin for workers that a terminal sends the same signals as their client."""
    from distributed import WorkerPlugin

    class IgnoringSignals(WorkerPlugin):  # type: ignore[misc]
        """Ignores signals that end training: the client passes them on."""

        name = "jtdiag-signals"

        def setup(self, worker: Any) -> None:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
                signal.signal(number, signal.SIG_IGN)

    return IgnoringSignals()
