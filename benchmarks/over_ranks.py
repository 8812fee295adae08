"""Bytes that the processes of torchrun exchange in a step, and how long a step takes.

    torchrun --standalone --nproc-per-node 2 benchmarks/over_ranks.py
    torchrun --standalone --nproc-per-node 2 benchmarks/over_ranks.py --configs 8x4 8x1024

Steps of one process, which has all members while the others wait, alternate with steps in which
every process has its part of them. Times are the fastest of the rounds; processor time is that of
rank 0. They are ratios: divided over processes, relative to one process.
"""

import argparse
import time
from collections.abc import Callable

import ratios
import torch
import torch.distributed as dist
from workload import BATCH, CLASSES, Config, noise, recipe

from jtdiag.engine import architectures
from jtdiag.engine.datasets import splits
from jtdiag.engine.lane_group import LaneGroup
from jtdiag.engine.ranks.division import WHOLE, Division, OfMembers
from jtdiag.engine.ranks.processes import Ranks, joined
from jtdiag.store import lanes

SHAPE = (1, 28, 28)


def main() -> None:
    """Print a line for each configuration."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--configs", nargs="+", type=Config.parse, metavar="MxH",
        default=[Config(8, 4), Config(8, 64), Config(8, 1024), Config(64, 64)])  # fmt: skip
    add("--rounds", type=int, default=10)
    add("--steps", type=int, default=10, help="timed steps of a round")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with joined("cpu") as ranks:
        for config in options.configs:
            _measure(config, ranks, options.rounds, options.steps)


def _measure(config: Config, ranks: Ranks, rounds: int, steps: int) -> None:
    divided = _stepping(config, OfMembers(ranks=ranks))
    whole = _stepping(config, WHOLE) if ranks.first else None
    exchanged = _bytes(divided)
    wall, processor = [], []
    for _ in range(rounds):
        alone = _times(whole, steps) if whole else (1.0, 1.0)
        dist.barrier()
        together = _times(divided, steps)
        wall.append((together[0], alone[0]))
        processor.append((together[1], alone[1]))
    if ranks.first:
        for kind, each in (("wall", wall), ("processor", processor)):
            figure = f"{config}, {ranks.count} ranks / one process, {kind} time"
            ratios.print_line(figure, [own / other for own, other in each])
        expected = BATCH * CLASSES * torch.float32.itemsize
        of_fastest = [
            min(a for a, _ in each) / min(b for _, b in each) for each in (wall, processor)
        ]
        print(
            f"{config}: {exchanged:,} bytes a step (B × K numbers: {expected:,}); a step on "
            f"{ranks.count} ranks takes {of_fastest[0]:.2f} of its time in one process, and "
            f"{of_fastest[1]:.2f} of its processor time on rank 0",
            flush=True,
        )


def _stepping(config: Config, division: Division) -> Callable[[], None]:
    """Return a function that takes one training step."""
    made = recipe(config, (0.9,), "data.val=0", "keep.outputs=none", "keep.checkpoints=none")
    data = splits.DataSet(noise(BATCH, BATCH, SHAPE), made, torch.device("cpu"))
    stack = architectures.build(made.members, data.input_shape, CLASSES)
    group = LaneGroup(
        made, lanes.lanes_of(made), data, stack, torch.device("cpu"), division=division
    )
    return lambda: group.try_step(group.plan)


def _bytes(step: Callable[[], None]) -> int:
    """Return how many bytes a process gives to `all_reduce` in a step."""
    total, reduce = 0, dist.all_reduce

    def counted(tensor: torch.Tensor, *arguments: object, **more: object) -> object:
        nonlocal total
        total += tensor.nbytes
        return reduce(tensor, *arguments, **more)

    dist.all_reduce = counted
    try:
        step()
    finally:
        dist.all_reduce = reduce
    return total


def _times(step: Callable[[], None], steps: int) -> tuple[float, float]:
    """Return wall time and processor time of a step, after one for warm-up."""
    step()
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(steps):
        step()
    return (time.perf_counter() - wall) / steps, (time.process_time() - processor) / steps


if __name__ == "__main__":
    main()
