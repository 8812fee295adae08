"""Time what a DominanceMonitor adds to the steps of a plain torch loop.

    python benchmarks/monitor.py
    python benchmarks/monitor.py --config 16x64 --steps 600 --rounds 5

Two loops train the same members: one over nn.Modules, as most are written, and one with stacked
weights, which is faster and leaves less to hide in. Each takes blocks of steps in turn with a
monitor and without, in one process, the order changing from block to block. Reported are, for the
first epoch, whose length the monitor does not know, and for those after it: the time spent in
`update` and `end_epoch` over that of the steps alone; and the time with over the time without.
Times are of the processor, for one thread, so that other work on the machine counts little; what
reading the clock takes is subtracted.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import ratios
import torch
from stopwatch import machine
from torch import Tensor, nn
from workload import BATCH, CLASSES, Config

from jtdiag import DominanceMonitor, joint_loss

BLOCK = 20
INPUTS = 784
LAM = 0.9

Step = Callable[[Tensor, Tensor], Tensor]
"""Takes a step on a batch and returns the logits (M, N, K) it was taken with."""


def main() -> None:
    """Measure what the command line asks for."""
    options = _options()
    torch.set_num_threads(1)
    print(machine(torch.device("cpu")))
    for name, make in (("a loop over modules", modules), ("stacked weights", stacked)):
        print(f"\n{options.config}, batch {BATCH}, {options.steps} steps an epoch, {name}")
        _measure(name, make(options.config), options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--config", type=Config.parse, metavar="MxH", default=Config(16, 64))
    add("--steps", type=int, default=600, help="steps of an epoch")
    add("--rounds", type=int, default=3, help="monitors, each for two epochs")
    return parser.parse_args()


def modules(config: Config) -> Step:
    """Return the step of a loop over one nn.Module a member."""
    torch.manual_seed(0)
    members = nn.ModuleList(
        nn.Sequential(
            nn.Linear(INPUTS, config.hidden), nn.ReLU(), nn.Linear(config.hidden, CLASSES)
        )
        for _ in range(config.members)
    )
    optimiser = torch.optim.SGD(members.parameters(), lr=config.lr, momentum=0.9)

    def step(x: Tensor, target: Tensor) -> Tensor:
        logits = torch.stack([member(x) for member in members])
        return _descend(optimiser, logits, target)

    return step


def stacked(config: Config) -> Step:
    """Return the step of a loop with one batched product a layer."""
    torch.manual_seed(0)
    sizes = ((INPUTS, config.hidden), (config.hidden, CLASSES))
    weights = [nn.Parameter(torch.randn(config.members, *size) / size[0] ** 0.5) for size in sizes]
    optimiser = torch.optim.SGD(weights, lr=config.lr, momentum=0.9)

    def step(x: Tensor, target: Tensor) -> Tensor:
        logits = torch.matmul(torch.matmul(x, weights[0]).relu(), weights[1])
        return _descend(optimiser, logits, target)

    return step


def _descend(optimiser: torch.optim.Optimizer, logits: Tensor, target: Tensor) -> Tensor:
    optimiser.zero_grad()
    joint_loss(logits, target, LAM).backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return logits


def _measure(loop: str, step: Step, options: argparse.Namespace) -> None:
    random = torch.Generator().manual_seed(0)
    x = torch.randn(50, BATCH, INPUTS, generator=random)
    y = torch.randint(CLASSES, (50, BATCH), generator=random)
    for i in range(BLOCK):
        step(x[i], y[i])
    rounds = [_round(step, x, y, options.steps) for _ in range(1 + options.rounds)][1:]
    heads = ("counted", "ms a step", "us in monitor", "share", "with/without")
    print(f"  {'':14}" + "".join(f"{head:>15}" for head in heads))
    for name, rows in zip(("first epoch", "later epoch"), zip(*rounds, strict=True), strict=True):
        counted, alone, inside, ratio = (
            statistics.median(column) for column in zip(*rows, strict=True)
        )
        print(f"  {name:14}{f'{counted:.0f}/{options.steps}':>15}{1e3 * alone:15.2f}"
              f"{1e6 * inside:15.1f}{inside / alone:15.2%}{ratio:15.4f}")  # fmt: skip
    for number, when in enumerate(("first", "later")):
        with_it = [epochs[number][-1] for epochs in rounds]
        ratios.print_line(f"{loop}, {when} epoch, with / without", with_it)


Row = tuple[int, float, float, float]
"""Batches counted, seconds of a step alone and inside the monitor, time with over without."""


def _round(step: Step, x: Tensor, y: Tensor, steps: int) -> list[Row]:
    """Return the first and the second epoch of a new monitor."""
    monitor = DominanceMonitor(lam=LAM)
    return [_epoch(step, monitor, x, y, steps) for _ in range(2)]


def _epoch(step: Step, monitor: DominanceMonitor, x: Tensor, y: Tensor, steps: int) -> Row:
    """Take one epoch's steps with the monitor and as many without, in turn."""
    alone: list[float] = []
    watched: list[float] = []
    inside = 0.0
    for block in range(-(-steps // BLOCK)):
        for with_monitor in (True, False) if block % 2 else (False, True):
            for i in range(BLOCK):
                at = i % len(x)
                begin = time.thread_time()
                logits = step(x[at], y[at])
                middle = time.thread_time()
                if with_monitor:
                    monitor.update(logits, y[at])
                    inside += time.thread_time() - middle
                (watched if with_monitor else alone).append(time.thread_time() - begin)
    begin = time.thread_time()
    monitor.end_epoch()
    inside += time.thread_time() - begin
    return (
        monitor.epochs[-1].counted,
        statistics.fmean(alone),
        (inside - (len(watched) + 1) * _clock()) / len(watched),
        statistics.fmean(watched) / statistics.fmean(alone),
    )


def _clock() -> float:
    """Return what reading the clock once takes, in seconds."""
    reads = [time.thread_time() for _ in range(1000)]
    return (reads[-1] - reads[0]) / (len(reads) - 1)


if __name__ == "__main__":
    main()
