"""Time the engine's step, per lane, when one, three or nine lanes are stacked in it.

    python benchmarks/lanes.py
    python benchmarks/lanes.py --device cuda

The recipe's `engine.lanes = "auto"` is 1 on a CPU: this is where that comes from. A ratio below 1
means that stacking pays.
"""

import argparse
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import ratios
import torch
from numpy.typing import NDArray
from stopwatch import Contender, Times, machine, race
from workload import SHAPE, lane_group, noise

from jtdiag import names
from jtdiag.engine.lane_group import LaneGroup
from jtdiag.recipe import presets

SHAPES = {"demo": (1, 8, 8)}
"""Shapes of the presets' inputs where they are not Fashion-MNIST's."""
BATCHES = 20


def main() -> None:
    """Measure what the command line asks for."""
    options = _options()
    device = torch.device(options.device)
    for threads, preset in itertools.product(options.threads, options.presets):
        torch.set_num_threads(threads)
        contenders = _contenders(preset, options.lanes, device)
        times = race(contenders, options.rounds, options.steps, device)
        per_lane = {f"{count}": times[str(count)].divided(count) for count in options.lanes}
        _show(f"{preset}, {threads} threads", per_lane)
    print(f"\n{machine(device)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--presets", nargs="+", default=["demo", "fashion-16x64", "fashion-256x4"])
    add("--lanes", nargs="+", type=int, default=[1, 3, 9])
    add("--threads", nargs="+", type=int, default=[1, 2])
    add("--rounds", type=int, default=20, help="times every stack has its turn")
    add("--steps", type=int, default=10, help="timed steps of a turn")
    add("--device", default="cpu", help="cpu, or cuda, which has not been tried")
    return parser.parse_args()


def _contenders(preset: str, stacks: Sequence[int], device: torch.device) -> dict[str, Contender]:
    """Return the preset's step for every number of lanes, each lane with a λ of its own."""
    shape = SHAPES.get(preset, SHAPE)
    return {str(count): stepping(_group(preset, count, shape, device)) for count in stacks}


def _group(preset: str, count: int, shape: tuple[int, ...], device: torch.device) -> LaneGroup:
    found = presets.find(preset)
    lam = [round(index / count, 4) for index in range(count)]
    made = presets.find(
        preset,
        (
            f"lam={lam}",
            f"train.lr={found.train.lr[0]}",
            "data.val=0",
            "keep.outputs=none",
            "keep.checkpoints=none",
            'keep.splits=["test"]',
        ),
    )
    examples = noise(BATCHES * made.train.batch, made.train.batch, shape)
    return lane_group(made, examples, device, count)


def stepping(group: LaneGroup) -> Contender:
    """Return a contender whose step is one step of all lanes of a group."""
    positions = torch.split(group._order(1), group.recipe.train.batch, 1)
    batches = [(*group._batch(part, names.TRAIN), part) for part in positions]
    turn = itertools.cycle(batches)
    lr = group._per_lane([group.recipe.lr(lane.lam_index, 1) for lane in group.lanes])
    tally = group._running_means()
    start = [_state(group, index) for index in range(len(group.lanes))]

    def step() -> None:
        x, target, part = next(turn)
        group._step((1, 0), x, target, lr, tally, positions=part)

    return Contender(step, prepare=lambda: group.restore(start))


def _state(group: LaneGroup, index: int) -> dict[str, NDArray[Any]]:
    """Return one lane's weights and memory as the engine restores them."""
    weights, memory = group.snapshot(index)
    state = {f"weight/{name}": tensor.cpu().numpy() for name, tensor in weights.items()}
    return state | {f"memory/{name}": t.cpu().numpy() for name, t in memory.items()}


def _show(title: str, times: Mapping[str, Times]) -> None:
    first = next(iter(times.values()))
    print(f"\n{title:30}{'fastest':>10}{'median':>10} ms a lane{'x first':>10}{'by round':>10}")
    for count, spent in times.items():
        print(
            f"  {count + ' lanes':28}{1e3 * spent.fastest:10.3f}{1e3 * spent.median:10.3f}"
            f"          {spent.ratio_of_fastest(first):10.2f}{spent.ratio_by_round(first):10.2f}"
        )
    for count, spent in list(times.items())[1:]:
        ratios.print_line(f"{title}, {count} lanes / the first", spent.ratios(first))


if __name__ == "__main__":
    main()
