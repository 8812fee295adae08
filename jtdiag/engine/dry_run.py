"""A dry run: what a recipe would take, measured on a few steps, with nothing written."""

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
    """What a run would be."""

    settings: dict[str, str]
    parameters_per_member: int
    """Of the whole network, where members are its branches."""
    copies: int
    """Networks with parameters of their own: members, or 1 for branches."""
    lanes: int
    steps: int
    """Training steps of one lane."""
    size: layout.Size
    step_seconds: float
    """Of one group of lanes, the quickest of a few."""
    total_seconds: float
    """All training steps and measurements; writing goes on beside them."""
    memory: int
    """Largest memory of this process, or of the GPU, so far: data and a training step."""


def rehearse(recipe: Recipe) -> Estimate:
    """Return what a recipe would take here.

    Raises:
        JtdiagError: whatever `train` would raise before it starts.
    """
    session = Session.of(recipe).in_fastest_way()
    groups = session.groups()
    group = session.lane_group(groups[0])
    with torch_threads(session.threads):
        step = min(_seconds(session, lambda: group.try_step(session.way)) for _ in range(STEPS))
        part = slice(0, EVALUATION_BATCH)
        measured = _seconds(session, lambda: group.measure(names.TEST, part=part))
    examples = {split: session.data.count(split) for split in recipe.splits}
    steps = math.ceil(examples[names.TRAIN] / recipe.train.batch) * recipe.train.epochs
    held_out = sum(count for split, count in examples.items() if split != names.TRAIN)
    evaluation = measured * held_out / min(EVALUATION_BATCH, examples[names.TEST])
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
    begin = time.perf_counter()
    job()
    if session.device.type == "cuda":
        torch.cuda.synchronize(session.device)
    return time.perf_counter() - begin


def peak_memory(device: torch.device | str = "cpu") -> int:
    """Return the largest memory so far, in bytes: of this process, or on a GPU."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
