"""Dry runs: estimate the time, memory and disk space of a recipe without writing anything."""

import math
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import attrs
import torch

from jtdiag import names
from jtdiag.engine import parts
from jtdiag.engine.architectures import COPIES
from jtdiag.engine.execution import TIMING_SECONDS
from jtdiag.engine.lane_group import EVALUATION_BATCH, LaneGroup
from jtdiag.engine.parts import Part
from jtdiag.engine.session import Session, torch_threads
from jtdiag.engine.stages import Stage, of_lanes, stages
from jtdiag.recipe.recipe import Recipe
from jtdiag.store import lanes, layout

STEPS = 3
"""Timed steps, of which the fastest counts."""
LARGEST_STEP = 1e9
"""Cost of a step, as in `_step_cost`, above which fewer lanes and members are timed."""
UPDATE_COST = 16
"""Updating a weight takes as long as multiplying it with this many examples."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Sizes, time and memory of a run."""

    settings: dict[str, str]
    parameters_per_member: int
    """Of the entire network if members are its branches."""
    copies: int
    """Networks with separate parameters: the number of members, or 1 for branches."""
    lanes: int
    """Lanes that are trained."""
    steps: int
    """Training steps of one lane."""
    size: layout.Size
    step_seconds: float
    """Time of a training step of one group of lanes; the minimum of a few."""
    total_seconds: float
    """Time of all training steps and evaluations; data are written in parallel."""
    memory: int
    """Peak memory of this process, or of the GPU, after loading the data and a training step."""
    part: str = ""
    """Part of the run, and its lanes; empty if it is all of the run."""


def estimate(recipe: Recipe, part: str | None = None) -> Estimate:
    """Estimate what training a recipe would take on this machine.

    Args:
        recipe: The recipe.
        part: Part of its lanes, as in `train`.

    Raises:
        JtdiagError: as `train` would before it starts.
    """
    session = Session.of(recipe)
    own = lanes.lanes_of(recipe)
    if part is not None:
        own = parts.lanes_of(Part.of_text(part), recipe, session.groups())
    every = of_lanes(stages(recipe, session.groups()), own)
    sample, scale = smaller(session)
    sample = sample.with_fastest_plan()
    session = replace(session, choice=sample.choice)
    step, batch_seconds = (scale * seconds for seconds in _timed(sample))
    examples = {split: session.data.count(split) for split in recipe.splits}
    steps = math.ceil(examples[names.TRAIN] / recipe.train.batch) * recipe.train.epochs
    held_out = sum(count for split, count in examples.items() if split != names.TRAIN)
    evaluation = batch_seconds * held_out / min(EVALUATION_BATCH, examples[names.TEST])
    return Estimate(
        settings=session.settings(),
        parameters_per_member=session.extent.parameters_per_member,
        copies=recipe.members.copies,
        lanes=len(own),
        part="" if part is None else f"{part}, {parts.by_trial(own, recipe)}",
        steps=steps,
        size=layout.size(recipe, session.extent),
        step_seconds=step,
        total_seconds=_epochs(every) * steps / recipe.train.epochs * step
        + (_epochs(every) + len(every[0].groups)) * evaluation,
        memory=peak_memory(session.device) + _weights(session) - _weights(sample),
    )


def _epochs(every: Sequence[Stage]) -> int:
    """Return how many epochs are trained in some stages, summed over groups of lanes."""
    total, before = 0, 0
    for stage in every:
        total += len(stage.groups) * (stage.last - before)
        before = stage.last
    return total


def smaller(session: Session) -> tuple[Session, float]:
    """Return a session whose steps take about a second at most, and the ratio of the times.

    It has fewer lanes and members, in which the time of a step is linear if it is that long.
    """
    recipe, full = session.recipe, _step_cost(session)
    if full <= LARGEST_STEP or session.device.type == "cuda":
        return session, 1.0
    one_lane = full / len(session.groups()[0])
    count = max(1, min(recipe.members.count, int(recipe.members.count * LARGEST_STEP / one_lane)))
    start = recipe.members.start
    members = attrs.evolve(
        recipe.members, count=count, start=start if isinstance(start, str) else start[:count]
    )
    engine = attrs.evolve(recipe.engine, lanes=1)
    sample = Session.of(attrs.evolve(recipe, members=members, engine=engine), str(session.device))
    return sample, full / _step_cost(sample)


def _step_cost(session: Session) -> float:
    """Return the multiplications of a step, and as many as its updates of the weights take."""
    copies, lanes_together = session.recipe.members.copies, len(session.groups()[0])
    per_weight = session.recipe.train.batch + UPDATE_COST
    return session.extent.parameters_per_member * copies * lanes_together * per_weight


def _weights(session: Session) -> int:
    """Return the bytes of the weights of a group of lanes, their start, gradients and state."""
    copies, lanes_together = session.recipe.members.copies, len(session.groups()[0])
    return 4 * COPIES * session.extent.parameters_per_member * copies * lanes_together


def _timed(session: Session) -> tuple[float, float]:
    """Return the seconds of a training step and of evaluating a batch."""
    group = session.lane_group(session.groups()[0])
    with torch_threads(session.threads):
        step = session.choice.seconds.get(session.plan.text)  # if there were several plans
        step = _timed_step(session, group) if step is None else step
        part = slice(0, EVALUATION_BATCH)
        return step, _seconds(session, lambda: group.measure(names.TEST, part=part))


def _timed_step(session: Session, group: LaneGroup) -> float:
    times: list[float] = []
    while len(times) < STEPS and sum(times) < TIMING_SECONDS:
        times.append(_seconds(session, lambda: group.try_step(session.plan)))
    return min(times)


def _seconds(session: Session, job: Callable[[], object]) -> float:
    start = time.perf_counter()
    job()
    if session.device.type == "cuda":
        torch.cuda.synchronize(session.device)
    return time.perf_counter() - start


def peak_memory(device: torch.device | str = "cpu") -> int:
    """Return the peak memory so far in bytes, of this process or of a GPU."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
