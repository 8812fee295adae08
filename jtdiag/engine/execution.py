"""How members are computed, chosen by timing: which way is fastest depends on the machine.

Every way gives the same numbers up to the rounding of its type; the loop over members is what
the others are tested against.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

import torch

from jtdiag.engine.architectures.module_stack import Execution, ModuleStack
from jtdiag.errors import RecipeError
from jtdiag.recipe.recipe import Recipe

HOPELESS = 3.0
"""A step this many times slower than the best so far ends a candidate's timing."""
STEPS = 3
"""Steps that are timed, after one that warms up."""
ENOUGH = 2.0
"""Seconds after which a candidate is not timed further."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to compute the members of a stack."""

    execution: Execution
    bfloat16: bool = False
    channels_last: bool = False
    """Order of images in memory, in the loop; the other executions have one of their own."""

    @property
    def text(self) -> str:
        """The way in a few words."""
        words = ["bfloat16"] * self.bfloat16 + ["channels last"] * self.channels_last
        return " ".join([self.execution, *words])


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The way that was taken, and what was found out about it and the others."""

    way: Way
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Of a training step, in each way that was timed."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Why a way is impossible for these members."""

    @property
    def reason(self) -> str:
        """What a step takes in each way, in a line; empty where there was nothing to choose."""
        if not self.seconds:
            return ""
        took = ", ".join(f"{way} {_readable(s)}" for way, s in self.seconds.items())
        refused = [f"{way} is impossible ({why})" for way, why in self.refused.items()]
        return "; ".join([f"a step takes {took}", *refused])


def _readable(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def ways(recipe: Recipe, stack: ModuleStack, *, images: bool) -> list[Way]:
    """Return the ways that a recipe leaves open, the likeliest fastest first.

    Args:
        recipe: Says what it wants in [engine].
        stack: Knows some executions.
        images: Whether an example is (C, H, W).

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
    elif recipe.members.architecture.auto_executions:
        automatic = recipe.members.architecture.auto_executions
        executions = tuple(e for e in executions if e in automatic)
    elif "stacked" in executions:
        executions = ("stacked", "loop")  # vmap takes the same convolutions in a slower order
    return [
        Way(execution=e, bfloat16=t, channels_last=last)
        for t in _types(recipe)
        for e in executions
        for last in _layouts(recipe, e, images)
    ]


def _types(recipe: Recipe) -> tuple[bool, ...]:
    """Return whether bfloat16 is used, or what is to be tried."""
    engine = recipe.engine
    if engine.products != "auto":
        return (engine.products == "bfloat16",)
    both = engine.precision == "float32" and recipe.members.architecture.try_bfloat16
    return (True, False) if both else (False,)


def _layouts(recipe: Recipe, execution: Execution, images: bool) -> tuple[bool, ...]:
    """Return whether images are channels last, or what is to be tried."""
    if execution != "loop" or not images or not recipe.members.architecture.try_channels_last:
        return (False,)
    wanted = recipe.engine.layout
    return (True, False) if wanted == "auto" else (wanted == "channels_last",)


def fastest(choices: list[Way], step: Callable[[Way], None], device: torch.device) -> Choice:
    """Return the fastest way, with the times of all that work and the reasons of those that don't.

    Args:
        choices: At least one; a single one is taken as it is, but for vmap, which is tried.
        step: Takes one training step in a way; raises where that is impossible, as vmap does
            for a module with data-dependent control flow.
        device: Waited for before the clock is read.

    Raises:
        RecipeError: if vmap, the only way left open, is impossible.
    """
    best = choices[0]
    if len(choices) == 1 and best.execution != "vmap":
        return Choice(way=best)
    seconds: dict[str, float] = {}
    failed: dict[Way, Exception] = {}
    for way in choices:
        fastest_yet = min(seconds.values(), default=float("inf"))
        try:
            seconds[way.text] = _time(way, step, device, HOPELESS * fastest_yet)
        except (RuntimeError, TypeError, ValueError) as error:
            failed[way] = error
            continue
        if seconds[way.text] < fastest_yet:
            best = way
    if not seconds:
        _refuse(failed)
    refused = {way.text: _first_sentence(error) for way, error in failed.items()}
    return Choice(way=best, seconds=seconds, refused=refused)


def _refuse(failed: Mapping[Way, Exception]) -> NoReturn:
    """Raise what no way could do; where the loop fails too, the fault lies in the members."""
    for way, error in failed.items():
        if way.execution != "vmap":
            raise error
    why = _first_sentence(next(iter(failed.values())))
    raise RecipeError(
        f"engine.execution is 'vmap', which is impossible for these members ({why}); "
        "use 'loop', or leave it out."
    )


def _first_sentence(error: Exception) -> str:
    said = " ".join(str(error).split()) or type(error).__name__
    return said.partition(". ")[0][:120]


def _time(way: Way, step: Callable[[Way], None], device: torch.device, hopeless: float) -> float:
    """Return the seconds of the quickest of some steps, after one that warms up."""
    warm_up = _seconds(way, step, device)
    if warm_up > HOPELESS * hopeless:
        return warm_up
    taken: list[float] = []
    while len(taken) < STEPS and sum(taken) < ENOUGH:
        taken.append(_seconds(way, step, device))
        if taken[-1] > hopeless:
            break
    return min(taken)


def _seconds(way: Way, step: Callable[[Way], None], device: torch.device) -> float:
    begin = time.perf_counter()
    step(way)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin
