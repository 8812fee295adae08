"""Measuring the members at kept epochs, lane by lane: here, or on the workers of a cluster."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from jtdiag.cluster import tasks, workers
from jtdiag.replay import Replay
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The members of a lane after an epoch."""

    run: Run
    replay: Replay
    epoch: int
    shared: dict[str, Any] = field(default_factory=dict)
    """What a process keeps from one checkpoint to the next; results do not depend on it."""


def of_checkpoints(
    run: Run,
    epochs: Mapping[Lane, Sequence[int]],
    measure: Callable[[Checkpoint], T],
    client: "Client | None" = None,
) -> dict[tuple[Lane, int], T]:
    """Measure the members at kept epochs and return the values by lane and epoch.

    Args:
        run: The run.
        epochs: Kept epochs of each lane.
        measure: Measures one checkpoint; a function that a worker can import.
        client: Measures lanes on its workers, which see the folder of the run.

    Raises:
        ClusterError: if workers die too often.
        JtdiagError: of a lane that cannot be measured.
    """
    wanted = {lane: several for lane, several in epochs.items() if several}
    if client is None:
        shared: dict[str, Any] = {}
        of_lanes = [_of_lane(run, lane, wanted[lane], measure, shared) for lane in wanted]
    else:
        of_lanes = _of_workers(client, run, wanted, measure)
    return {
        (lane, epoch): value
        for (lane, several), values in zip(wanted.items(), of_lanes, strict=True)
        for epoch, value in zip(several, values, strict=True)
    }


def _of_lane(
    run: Run,
    lane: Lane,
    epochs: Sequence[int],
    measure: Callable[[Checkpoint], T],
    shared: dict[str, Any],
) -> list[T]:
    values = []
    for epoch in epochs:
        replay = Replay.of(run, lane, epoch, beside=shared.get("replay"))
        shared["replay"] = replay
        checkpoint = Checkpoint(run=run, replay=replay, epoch=epoch, shared=shared)
        with replay.threads():
            values.append(measure(checkpoint))
    return values


# --- on workers ----------------------------------------------------------------------------------

_SHARED: dict[str, dict[str, Any]] = {}
"""What a worker keeps while a probe is run, by the token of the call."""


def _of_workers(
    client: "Client",
    run: Run,
    epochs: Mapping[Lane, Sequence[int]],
    measure: Callable[[Checkpoint], T],
) -> list[list[T]]:
    run.require_trusted_code()
    token = uuid4().hex
    futures = client.map(
        _on_worker,
        epochs.keys(),
        epochs.values(),
        path=run.path.resolve(),
        measure=measure,
        token=token,
        pure=False,
        key=f"probe-{token}",
    )
    values: list[list[T]] = tasks.results(client, futures, "Run the probe again.")
    return values


def _on_worker(
    lane: Lane, epochs: Sequence[int], path: Path, measure: Callable[[Checkpoint], T], token: str
) -> list[T]:
    with workers.alone():
        if token not in _SHARED:
            _SHARED.clear()
        shared = _SHARED.setdefault(token, {})
        return _of_lane(Run(path, trust_code=True), lane, epochs, measure, shared)
