"""Dry runs: estimate the time, memory and disk space of a recipe without writing anything."""

import math
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from jtdiag import names
from jtdiag.engine.lane_group import EVALUATION_BATCH
from jtdiag.engine.session import Session, torch_threads
from jtdiag.recipe.recipe import Recipe
from jtdiag.store import lanes, layout

STEPS = 3


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Sizes, time and memory of a run."""

    settings: dict[str, str]
    parameters_per_member: int
    """Of the entire network if members are its branches."""
    copies: int
    """Networks with separate parameters: the number of members, or 1 for branches."""
    lanes: int
    steps: int
    """Training steps of one lane."""
    size: layout.Size
    step_seconds: float
    """Time of a training step of one group of lanes; the minimum of a few."""
    total_seconds: float
    """Time of all training steps and evaluations; data are written in parallel."""
    memory: int
    """Peak memory of this process, or of the GPU, after loading the data and a training step."""


def estimate(recipe: Recipe) -> Estimate:
    """Estimate what training a recipe would take on this machine.

    Raises:
        JtdiagError: as `train` would before it starts.
    """
    session = Session.of(recipe).with_fastest_plan()
    groups = session.groups()
    group = session.lane_group(groups[0])
    with torch_threads(session.threads):
        step = min(_seconds(session, lambda: group.try_step(session.plan)) for _ in range(STEPS))
        part = slice(0, EVALUATION_BATCH)
        batch_seconds = _seconds(session, lambda: group.measure(names.TEST, part=part))
    examples = {split: session.data.count(split) for split in recipe.splits}
    steps = math.ceil(examples[names.TRAIN] / recipe.train.batch) * recipe.train.epochs
    held_out = sum(count for split, count in examples.items() if split != names.TRAIN)
    evaluation = batch_seconds * held_out / min(EVALUATION_BATCH, examples[names.TEST])
    return Estimate(
        settings=session.settings(),
        parameters_per_member=session.extent.parameters_per_member,
        copies=recipe.members.copies,
        lanes=len(lanes.lanes_of(recipe)),
        steps=steps,
        size=layout.size(recipe, session.extent),
        step_seconds=step,
        total_seconds=len(groups) * (steps * step + (recipe.train.epochs + 1) * evaluation),
        memory=peak_memory(session.device),
    )


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
