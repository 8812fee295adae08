"""Discrete-event simulation of lanes on workers: one event for each lane that begins or breaks off.

A scheduler gives waiting tasks, lanes that are trained together, to idle workers, one after the
other. Workers die at random, at a constant rate. A task whose worker has died waits until that is
noticed, and goes on from its last sealed epoch on the next idle worker; the worker is replaced.
Nothing else is shared: the file system and the client keep up, and what they would have to bear is
counted.
"""

import heapq
import itertools
import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Lanes to be trained; times in seconds."""

    lanes: int
    epochs: int
    """Epochs after epoch 0."""
    epoch: float
    """Median time of an epoch of a lane."""
    begin: float = 0.0
    """Time to open a task and evaluate epoch 0."""
    group: int = 1
    """Lanes of a task; their epochs take so many times as long."""
    spread: float = 0.0
    """Standard deviation of the logarithm of a lane's time, between lanes."""

    @property
    def tasks(self) -> int:
        """Number of tasks."""
        return math.ceil(self.lanes / self.group)

    def lanes_of(self, task: int) -> int:
        """Return the number of lanes of a task; the last one may have fewer."""
        return min(self.group, self.lanes - task * self.group)


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Workers; times in seconds."""

    workers: int
    start: float = 0.0
    """Until a worker takes its first task, and until one that has died is replaced."""
    spread: float = 0.0
    """Standard deviation of the logarithm of a worker's slowness, between workers."""
    dispatch: float = 0.0
    """Time of the scheduler for each task that it gives out."""
    life: float = math.inf
    """Mean time until a worker dies."""
    notice: float = 0.0
    """Until the lanes of a dead worker can be given to another one."""


@dataclass(kw_only=True)
class Outcome:
    """What a simulation comes to."""

    makespan: float = 0.0
    """Seconds from the start to the end of the last lane."""
    useful: float = 0.0
    """Seconds of workers for epochs that were sealed, and to begin each task once."""
    lost: float = 0.0
    """Seconds of workers for epochs that were not sealed, and to begin tasks again."""
    deaths: int = 0
    periods: list[tuple[float, float, float]] = field(default_factory=list)
    """Begin, end, and sealed epochs of a lane per second, of every stay of a task on a worker."""

    def efficiency(self, workers: int) -> float:
        """Return the share of the workers' time until the end that was useful."""
        return self.useful / (workers * self.makespan)

    @property
    def most_seals(self) -> float:
        """The largest number of epochs of lanes that are sealed in a second."""
        changes = [(begin, rate) for begin, _, rate in self.periods]
        changes += [(end, -rate) for _, end, rate in self.periods]
        return max(itertools.accumulate(rate for _, rate in sorted(changes)), default=0.0)


@dataclass
class _Task:
    lanes: int
    slowness: float
    left: int
    """Epochs that are not sealed."""
    begun: bool = False


def simulate(sweep: Sweep, cluster: Cluster, random: np.random.Generator) -> Outcome:
    """Return what training a sweep on a cluster comes to, once."""
    slowness = np.exp(sweep.spread * random.standard_normal(sweep.lanes))
    waiting = deque(
        _Task(
            lanes=sweep.lanes_of(task),
            slowness=float(slowness[task * sweep.group :][: sweep.group].mean()),
            left=sweep.epochs,
        )
        for task in range(sweep.tasks)
    )
    return _Simulation(sweep, cluster, random, waiting).run()


class _Simulation:
    """State of one simulation; an event is a worker that is idle or a task that waits again."""

    def __init__(
        self, sweep: Sweep, cluster: Cluster, random: np.random.Generator, waiting: deque[_Task]
    ) -> None:
        self._sweep, self._cluster, self._random = sweep, cluster, random
        self._waiting, self._idle = waiting, deque[int]()
        self._left = len(waiting)
        self._slow = np.exp(cluster.spread * random.standard_normal(cluster.workers))
        self._scheduler_free = 0.0
        self._order = itertools.count()
        self._events: list[tuple[float, int, int | _Task]] = []
        self._outcome = Outcome()
        for worker in range(min(cluster.workers, len(waiting))):
            self._at(cluster.start, worker)

    def run(self) -> Outcome:
        """Carry out all events until every task has ended."""
        while self._left:
            now, _, what = heapq.heappop(self._events)
            if isinstance(what, _Task):
                self._waiting.appendleft(what)
            else:
                self._idle.append(what)
            while self._waiting and self._idle:
                self._assign(now, self._waiting.popleft(), self._idle.popleft())
        return self._outcome

    def _at(self, moment: float, what: "int | _Task") -> None:
        heapq.heappush(self._events, (moment, next(self._order), what))

    def _assign(self, now: float, task: _Task, worker: int) -> None:
        begin = self._scheduler_free = max(now, self._scheduler_free) + self._cluster.dispatch
        opening = self._sweep.begin
        epoch = self._sweep.epoch * task.lanes * task.slowness * float(self._slow[worker])
        whole = opening + task.left * epoch
        life = self._random.exponential(self._cluster.life) if self._dies else math.inf
        sealed = task.left if life >= whole else max(0, math.floor((life - opening) / epoch))
        spent = min(life, whole)
        useful = sealed * epoch + (0.0 if task.begun else min(opening, spent))
        task.begun, task.left = True, task.left - sealed
        outcome = self._outcome
        outcome.useful += useful
        outcome.lost += spent - useful
        outcome.periods.append((begin + min(opening, spent), begin + spent, task.lanes / epoch))
        if life < whole:
            outcome.deaths += 1
            self._at(begin + spent + self._cluster.notice, task)
            self._at(begin + spent + self._cluster.start, worker)
        else:
            self._left -= 1
            outcome.makespan = max(outcome.makespan, begin + spent)
            self._at(begin + spent, worker)

    @property
    def _dies(self) -> bool:
        return math.isfinite(self._cluster.life)
