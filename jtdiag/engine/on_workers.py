"""Training on the workers of a Dask cluster: one task for lanes that are trained together.

Dask decides which worker trains what, and gives the lanes of a worker that died to another, which
goes on from the last sealed epoch. Nothing but the folder of the run is shared, and what the client
reports is read from its seals.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from jtdiag.cluster import tasks, workers
from jtdiag.engine import parts
from jtdiag.engine.architectures.module_stack import Factory
from jtdiag.engine.progress import Listener
from jtdiag.engine.sealed_epochs import SealedEpochs
from jtdiag.engine.session import Session
from jtdiag.engine.stopping import StopRequest
from jtdiag.errors import StoreError, is_on_command_line, on_command_line, option
from jtdiag.recipe.recipe import Recipe
from jtdiag.store import lane_locks, owners
from jtdiag.store.lane_locks import HeldError
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run
from jtdiag.store.writer import RunWriter

if TYPE_CHECKING:
    from distributed import Client, Future

POLL = 0.2
"""Seconds between two looks at the seals."""
GRACE = 10.0
"""Seconds that a running epoch may take if the client has ended or another lane has failed."""
SLACK = 5.0
"""Seconds that workers need to notice that they are to stop, and to end."""

Train = Callable[[Session, RunWriter, Sequence[Lane], StopRequest], None]
"""Trains some lanes of a run."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What all tasks of a training have in common."""

    recipe: Recipe
    path: Path
    factory: Factory | None
    train: Train
    token: str
    """Differs between two trainings, for what workers keep during one."""
    on_command_line: bool


def job(recipe: Recipe, path: Path, factory: Factory | None, train: Train) -> Job:
    """Return the job of training the lanes of a run.

    Args:
        recipe: The recipe.
        path: Folder of the run.
        factory: As in `Session.of`.
        train: Trains some lanes, on a worker.
    """
    return Job(
        recipe=recipe,
        path=path.resolve(),
        factory=factory,
        train=train,
        token=uuid4().hex,
        on_command_line=is_on_command_line(),
    )


def train_lanes(
    client: "Client",
    job: Job,
    groups: Sequence[Sequence[Lane]],
    listener: Listener,
    stop: StopRequest,
) -> None:
    """Train all lanes of a run that are not done.

    Args:
        client: The client; its workers have been checked.
        job: The job; the folder of its run exists.
        groups: Lanes in groups that are trained together.
        listener: Receives every epoch that is sealed.
        stop: Ends the training early.

    Raises:
        TrainingStopped: if `stop` was requested.
        ClusterError: if workers died too often, or the scheduler ended.
        JtdiagError: of a lane that could not be trained.
    """
    run = Run(job.path)
    sealed = SealedEpochs(run, listener)
    units = parts.units(job.recipe, groups)
    left = [unit for unit in units if not all(run.seal(lane).done for lane in unit)]
    futures = client.map(_train_unit, left, job=job, pure=False, key=f"lanes-{job.token}")
    remedy = f"Completed epochs are saved; go on with {option('resume=True', '--resume')}."
    try:
        while not all(future.done() for future in futures):
            stop.between_epochs()
            tasks.raise_errors(futures, remedy)
            time.sleep(POLL)
            sealed.report()
        tasks.raise_errors(futures, remedy)
    except BaseException:
        _end(client, futures, job, run, stop.seconds_left if stop.requested else GRACE)
        raise
    finally:
        sealed.report()
        with suppress(Exception):  # whatever the scheduler says now, the lanes are trained
            client.run(_forget, job.token)


def _end(client: "Client", futures: Sequence["Future"], job: Job, run: Run, grace: float) -> None:
    """Tell workers to end after the running epoch, and wait until they have."""
    with suppress(Exception):  # the scheduler may be what has ended
        client.run(_stop, job.token, grace)
        client.cancel(futures)
        deadline = time.monotonic() + grace + SLACK
        while lane_locks.any_held(run.path, run.lanes) and time.monotonic() < deadline:
            time.sleep(POLL)


# --- on a worker ---------------------------------------------------------------------------------

_SESSIONS: dict[str, Session] = {}
"""The session of a training, by its token, so that data are loaded once."""
_REQUESTS: dict[str, StopRequest] = {}
"""Stops the lanes that are being trained, by the token of the training."""


class TaskStopRequest(StopRequest):
    """A request that is also made if Dask cancels the task."""

    def __init__(self) -> None:
        super().__init__()
        self._watch = workers.TaskWatch()

    @property
    def requested(self) -> bool:
        """Whether training is to stop."""
        if not super().requested and self._watch.cancelled:
            self.request(GRACE)
        return super().requested


def _train_unit(unit: Sequence[Lane], job: Job) -> None:
    with ExitStack() as stack:
        if job.on_command_line:
            stack.enter_context(on_command_line())
        stack.enter_context(workers.alone())
        stop = _REQUESTS[job.token] = TaskStopRequest()
        stack.callback(_REQUESTS.pop, job.token, None)
        stop.between_epochs()
        session = _session(job)
        store = _opened(job, unit, stop)
        stack.callback(store.close)
        job.train(session, store, unit, stop)


def _session(job: Job) -> Session:
    if job.token not in _SESSIONS:
        _SESSIONS.clear()
        session, run = Session.of(job.recipe, factory=job.factory), Run(job.path)
        session.require_same_data(run)
        _SESSIONS[job.token] = session.with_recorded_plan(run.settings, same_groups=True)
    return _SESSIONS[job.token]


def _opened(job: Job, unit: Sequence[Lane], stop: StopRequest) -> RunWriter:
    """Open lanes; wait for their locks, which a worker that died on another machine still has."""
    deadline = time.monotonic() + owners.SILENT + lane_locks.BEAT
    while True:
        try:
            return RunWriter.reopen(job.path, job.recipe, of=unit)
        except StoreError as error:
            if not isinstance(error.__cause__, HeldError) or time.monotonic() > deadline:
                raise
        stop.between_epochs()
        time.sleep(POLL)


def _stop(token: str, grace: float) -> None:
    if token in _REQUESTS:
        _REQUESTS[token].request(grace)


def _forget(token: str) -> None:
    _SESSIONS.pop(token, None)
