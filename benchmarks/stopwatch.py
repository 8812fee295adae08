"""Timing contenders side by side: in one process, in turn, round after round.

A machine that others use as well slows all contenders of a round alike, so the ratio of two times
of one round holds where the times themselves do not. The fastest round is the quietest.
"""

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch


@dataclass(frozen=True)
class Contender:
    """What takes part in a race."""

    step: Callable[[], object]
    prepare: Callable[[], object] = lambda: None
    """Called before every turn, untimed."""


@dataclass
class Times:
    """Wall and CPU time of one contender, one number a round, in seconds."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def fastest(self) -> float:
        """Wall time of the quietest round."""
        return min(self.wall)

    @property
    def median(self) -> float:
        """Median wall time over the rounds."""
        return statistics.median(self.wall)

    @property
    def cores(self) -> float:
        """Processors kept busy while the clock ran; waiting threads count as busy."""
        return sum(self.cpu) / sum(self.wall)

    def ratio_of_fastest(self, other: "Times") -> float:
        """Return how many times the other's quietest round this one's takes."""
        return self.fastest / other.fastest

    def ratio_by_round(self, other: "Times") -> float:
        """Return the median over rounds of how many times the other's time this one takes."""
        return statistics.median(self.ratios(other))

    def ratios(self, other: "Times", *, processor: bool = False) -> list[float]:
        """Return each round's time over the other's, of the wall clock or the processor."""
        pairs = zip(*((t.cpu if processor else t.wall) for t in (self, other)), strict=True)
        return [own / reference for own, reference in pairs]

    def plus(self, other: "Times") -> "Times":
        """Return the sums, round by round."""
        return Times(
            [a + b for a, b in zip(self.wall, other.wall, strict=True)],
            [a + b for a, b in zip(self.cpu, other.cpu, strict=True)],
        )

    def divided(self, count: int) -> "Times":
        """Return the times for one of `count` equal parts."""
        return Times([wall / count for wall in self.wall], [cpu / count for cpu in self.cpu])

    def or_faster(self, other: "Times") -> "Times":
        """Return whichever had the faster quietest round."""
        return self if self.fastest <= other.fastest else other


def race(
    contenders: Mapping[str, Contender],
    rounds: int,
    steps: int,
    device: torch.device,
    *,
    warm_up: int = 1,
) -> dict[str, Times]:
    """Time every contender in every round; a round's number is the median of its steps.

    Each turn begins with a step that is not timed, which brings the contender's numbers back
    into the caches. Every other round runs in the opposite order.
    """
    times = {name: Times() for name in contenders}
    for number in range(rounds):
        order = list(contenders)
        for name in order if number % 2 == 0 else reversed(order):
            contenders[name].prepare()
            for _ in range(warm_up):
                contenders[name].step()
            wall, cpu = _median(contenders[name].step, steps, device)
            times[name].wall.append(wall)
            times[name].cpu.append(cpu)
    return times


def _median(step: Callable[[], object], steps: int, device: torch.device) -> tuple[float, float]:
    """Return the median wall time of some steps, and the CPU time that goes with it."""
    walls, cpus = zip(*(timed(step, device) for _ in range(steps)), strict=True)
    wall = statistics.median(walls)
    return wall, wall * sum(cpus) / sum(walls)


def timed(step: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Return the wall and CPU time of one call, which includes all work it left to the device."""
    synchronise(device)
    wall, cpu = time.perf_counter(), time.process_time()
    step()
    synchronise(device)
    return time.perf_counter() - wall, time.process_time() - cpu


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def machine(device: torch.device) -> str:
    """Describe where the times were taken."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else "no GPU"
    return (
        f"{platform.machine()}, {len(os.sched_getaffinity(0))} processors, {gpu}, "
        f"torch {torch.__version__} with {torch.get_num_threads()} threads, "
        f"load average {os.getloadavg()[0]:.2f}"
    )
