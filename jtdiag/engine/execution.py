"""How members are computed, chosen by timing: which way is fastest depends on the machine.

Every way gives the same numbers up to the rounding of its type; the loop over members is what
the others are tested against.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from jtdiag.engine.members.module_stack import Execution, ModuleStack
from jtdiag.errors import RecipeError
from jtdiag.recipe import Recipe

BFLOAT16_BY_ITSELF = ("conv", "densenet")
"""Architectures for which `products = "auto"` also tries bfloat16."""
HOPELESS = 3.0
"""A first step this many times slower than the best so far ends a candidate's timing."""
STEPS = 3


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to compute the members of a stack."""

    execution: Execution
    bfloat16: bool

    @property
    def text(self) -> str:
        """The way in two words."""
        return f"{self.execution} {'bfloat16' if self.bfloat16 else 'as it is'}"


def ways(recipe: Recipe, stack: ModuleStack) -> list[Way]:
    """Return the ways that a recipe leaves open, the likeliest fastest first.

    Raises:
        RecipeError: if the architecture does not know the execution that is asked for.
    """
    engine = recipe.engine
    executions = stack.executions
    if engine.execution != "auto":
        if engine.execution not in executions:
            raise RecipeError(
                f"engine.execution is {engine.execution!r}; members.arch = "
                f"'{recipe.members.arch}' has {', '.join(executions)}."
            )
        executions = tuple(e for e in executions if e == engine.execution)
    elif recipe.members.arch == "mlp":
        executions = ("stacked",)  # measured: two to ten times faster than the others
    return [Way(execution=e, bfloat16=t) for t in _types(recipe) for e in executions]


def _types(recipe: Recipe) -> tuple[bool, ...]:
    """Return whether bfloat16 is used, or what is to be tried."""
    engine = recipe.engine
    if engine.products != "auto":
        return (engine.products == "bfloat16",)
    both = engine.precision == "float32" and recipe.members.arch in BFLOAT16_BY_ITSELF
    return (True, False) if both else (False,)


def fastest(
    choices: list[Way], step: Callable[[Way], None], device: torch.device
) -> tuple[Way, dict[str, float]]:
    """Return the fastest way and the seconds of a step of each that works.

    Args:
        choices: At least one; a single one is taken without timing.
        step: Takes one training step in a way; raises RuntimeError where that is impossible,
            as vmap does for a module with data-dependent control flow.
        device: Waited for before the clock is read.
    """
    if len(choices) == 1:
        return choices[0], {}
    seconds: dict[str, float] = {}
    best = choices[0]
    for way in choices:
        try:
            seconds[way.text] = _time(way, step, device, min(seconds.values(), default=None))
        except RuntimeError:
            continue
        if seconds[way.text] <= min(seconds.values()):
            best = way
    return best, seconds


def _time(way: Way, step: Callable[[Way], None], device: torch.device, best: float | None) -> float:
    """Return the seconds of the quickest of some steps, after one that warms up."""
    taken = []
    for _ in range(STEPS):
        begin = time.perf_counter()
        step(way)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - begin)
        if best is not None and taken[-1] > HOPELESS * best:
            break
    return min(taken)
