"""How members are computed: candidate plans are timed, since the fastest depends on the machine.

All plans give the same numbers up to rounding; the loop over members is the reference in tests.
"""

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

import torch

from jtdiag.engine.architectures.module_stack import Execution, ModuleStack
from jtdiag.errors import RecipeError
from jtdiag.recipe.recipe import Recipe

TOO_SLOW = 3.0
"""A candidate whose step takes this many times longer than the best so far is not timed further."""
STEPS = 3
"""Timed steps, after one for warm-up."""
TIMING_SECONDS = 2.0
"""Seconds after which a candidate is not timed further."""


@dataclass(frozen=True, kw_only=True)
class ExecutionPlan:
    """How the members of a stack are computed."""

    execution: Execution
    bfloat16: bool = False
    channels_last: bool = False
    """Memory format of images in the loop; the other executions use their own."""

    @property
    def text(self) -> str:
        """Short description, such as "bfloat16 channels last loop"."""
        words = ["bfloat16"] * self.bfloat16 + ["channels last"] * self.channels_last
        return " ".join([self.execution, *words])


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The selected plan, and the timings it was selected by."""

    plan: ExecutionPlan
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Time of a training step with each plan that was timed."""
    impossible: Mapping[str, str] = field(default_factory=dict)
    """Plans that do not work for these members, with the reason."""

    @property
    def reason(self) -> str:
        """One line with the step time of each plan; empty if there was only one plan."""
        if not self.seconds:
            return ""
        times = ", ".join(f"{plan} {_readable(s)}" for plan, s in self.seconds.items())
        failures = [f"{plan} does not work ({why})" for plan, why in self.impossible.items()]
        return "; ".join([f"time per step: {times}", *failures])


def _readable(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def candidate_plans(recipe: Recipe, stack: ModuleStack, *, images: bool) -> list[ExecutionPlan]:
    """Return the plans that a recipe allows, the one that is likely fastest first.

    Args:
        recipe: Its [engine] section may fix parts of the plan.
        stack: Defines the executions that its architecture supports.
        images: Whether an example is (C, H, W).

    Raises:
        RecipeError: if the architecture does not support the requested execution.
    """
    engine = recipe.engine
    executions = stack.executions
    if engine.execution != "auto":
        if engine.execution not in executions:
            raise RecipeError(
                f"engine.execution is {engine.execution!r}; members.arch = "
                f"'{recipe.members.arch}' supports {', '.join(executions)}."
            )
        executions = tuple(e for e in executions if e == engine.execution)
    elif recipe.members.architecture.auto_executions:
        automatic = recipe.members.architecture.auto_executions
        executions = tuple(e for e in executions if e in automatic)
    elif "stacked" in executions:
        executions = ("stacked", "loop")  # vmap runs the same convolutions more slowly
    return [
        ExecutionPlan(execution=e, bfloat16=t, channels_last=last)
        for t in _types(recipe)
        for e in executions
        for last in _layouts(recipe, e, images)
    ]


def _types(recipe: Recipe) -> tuple[bool, ...]:
    """Return the values of `bfloat16` to try."""
    engine = recipe.engine
    if engine.products != "auto":
        return (engine.products == "bfloat16",)
    both = engine.precision == "float32" and recipe.members.architecture.try_bfloat16
    return (True, False) if both else (False,)


def _layouts(recipe: Recipe, execution: Execution, images: bool) -> tuple[bool, ...]:
    """Return the values of `channels_last` to try."""
    if execution != "loop" or not images or not recipe.members.architecture.try_channels_last:
        return (False,)
    layout = recipe.engine.layout
    return (True, False) if layout == "auto" else (layout == "channels_last",)


def fastest(
    candidates: list[ExecutionPlan], step: Callable[[ExecutionPlan], None], device: torch.device
) -> Choice:
    """Time the candidates and return the fastest.

    Args:
        candidates: At least one. A single one is not timed, except for vmap, which may fail.
        step: Takes one training step with a plan; raises if that is impossible, as vmap does for
            a module with data-dependent control flow.
        device: Synchronized before the clock is read.

    Raises:
        RecipeError: if vmap is the only candidate and does not work.
    """
    best = candidates[0]
    if len(candidates) == 1 and best.execution != "vmap":
        return Choice(plan=best)
    seconds: dict[str, float] = {}
    failed: dict[ExecutionPlan, Exception] = {}
    for plan in candidates:
        fastest_yet = min(seconds.values(), default=float("inf"))
        try:
            with warnings.catch_warnings():  # torch's about slow operations: the time is measured
                warnings.filterwarnings("ignore", message="There is a performance drop")
                seconds[plan.text] = _time(plan, step, device, TOO_SLOW * fastest_yet)
        except _failures(plan) as error:
            failed[plan] = error
            continue
        if seconds[plan.text] < fastest_yet:
            best = plan
    if not seconds:
        _raise_failure(failed)
    impossible = {plan.text: _first_sentence(error) for plan, error in failed.items()}
    return Choice(plan=best, seconds=seconds, impossible=impossible)


def _failures(plan: ExecutionPlan) -> tuple[type[Exception], ...]:
    """Return what means that a plan does not work; under vmap, a user's module may raise anything.

    That the module works in the loop has been tried before.
    """
    return (Exception,) if plan.execution == "vmap" else (RuntimeError, TypeError, ValueError)


def _raise_failure(failed: Mapping[ExecutionPlan, Exception]) -> NoReturn:
    """Raise the error of a plan other than vmap, which has its cause in the members, or of vmap."""
    for plan, error in failed.items():
        if plan.execution != "vmap":
            raise error
    why = _first_sentence(next(iter(failed.values())))
    raise RecipeError(
        f"engine.execution is 'vmap', which does not work for these members ({why}); "
        "use 'loop', or remove engine.execution."
    )


def _first_sentence(error: Exception) -> str:
    message = " ".join(str(error).split()) or type(error).__name__
    return message.partition(". ")[0][:120]


def _time(
    plan: ExecutionPlan,
    step: Callable[[ExecutionPlan], None],
    device: torch.device,
    limit: float,
) -> float:
    """Return the minimum time of a few steps, after one for warm-up, in seconds."""
    warm_up = _seconds(plan, step, device)
    if warm_up > TOO_SLOW * limit:
        return warm_up
    times: list[float] = []
    while len(times) < STEPS and sum(times) < TIMING_SECONDS:
        times.append(_seconds(plan, step, device))
        if times[-1] > limit:
            break
    return min(times)


def _seconds(
    plan: ExecutionPlan, step: Callable[[ExecutionPlan], None], device: torch.device
) -> float:
    start = time.perf_counter()
    step(plan)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
