"""Results and errors of tasks that Dask has given to workers."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from jtdiag.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client, Future


def raise_errors(futures: Iterable["Future"], remedy: str) -> None:
    """Raise the error of a task that has failed, if one has.

    Args:
        futures: The tasks.
        remedy: What to do if workers or the scheduler have ended, as a sentence.

    Raises:
        ClusterError: if workers died too often, have no jtdiag, or the scheduler ended.
        Exception: that of the task.
    """
    from distributed.scheduler import KilledWorker, NoWorkerError

    for future in futures:
        # "lost": its worker has died since, so it is run again, which finds nothing left to do.
        if future.status in ("pending", "finished", "lost"):
            continue
        if future.status != "error":
            raise ClusterError(f"The scheduler has ended, or given up tasks. {remedy}")
        try:
            future.result()
        except KilledWorker as error:
            raise ClusterError(
                f"{error.allowed_failures + 1} workers have ended while they had the same lanes; "
                f"see their logs, for example whether memory ran out. {remedy}"
            ) from error
        except NoWorkerError as error:
            raise ClusterError(f"All workers have ended. {remedy}") from error
        except ModuleNotFoundError as error:
            if error.name not in ("jtdiag", "jtdiag_probes"):
                raise
            raise ClusterError(
                f"A worker that was added has no jtdiag. Install it there. {remedy}"
            ) from error


def results(client: "Client", futures: Sequence["Future"], remedy: str) -> list[Any]:
    """Return the results of tasks when all have one; cancel them if that fails.

    Args:
        client: Their client.
        futures: The tasks.
        remedy: As in `raise_errors`.

    Raises:
        Exception: as in `raise_errors`.
    """
    from distributed import wait

    try:
        wait(futures, return_when="ALL_COMPLETED")
        raise_errors(futures, remedy)
    except BaseException:
        client.cancel(futures)
        raise
    return [future.result() for future in futures]
