"""Time a training step, and an epoch of steps, against other arrangements and against the floor.

    python benchmarks/training_step.py
    python benchmarks/training_step.py --configs 256x4 --threads 1 --root ../shared/data

jtdiag's engine, (a) the arrangement of the authors' code, (b) torch.func's vmap and (c) a loop
over nn.Modules take the same steps on the same batches in the same process; `arrangements.py`
shows how. The floor, `products.py`, is the matrix products of a step and nothing else. A step is
timed with its batch at hand; an epoch also draws its batches and fetches its metrics.
"""

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path

import products
import ratios
import torch
from arrangements import Arrangement, Authors, Jtdiag, Loop, Vmapped
from stopwatch import Contender, Times, machine, race
from torch import Tensor
from workload import BATCH, Config, arrays, lane_group, recipe

from jtdiag import names
from jtdiag.engine import datasets, seeds
from jtdiag.engine.lane_group import LaneGroup

JTDIAG = "jtdiag"
VMAP = "(b) torch.func vmap"
AUTHORS = "(a) the authors' arrangement"
LOOP = "(c) loop over nn.Modules"
CHECKED_STEPS = 10
SAME = {"float64": 1e-10, "float32": 1e-5}
"""How far losses and weights may lie apart after the checked steps."""


def main() -> None:
    """Measure what the command line asks for."""
    options = _options()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    print(machine(device))
    examples = arrays(options.root, BATCH * max(options.epoch_steps, options.steps + 1), BATCH)
    for config in options.configs:
        print(f"\n{config}, batch {BATCH}, λ {options.lam:g}")
        _measure(config, examples, options, device)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--configs", nargs="+", type=Config.parse, metavar="MxH",
        default=[Config(256, 4), Config(16, 64), Config(64, 16), Config(1, 1024)])  # fmt: skip
    add("--threads", type=int, default=2)
    add("--rounds", type=int, default=20, help="times every contender has its turn")
    add("--steps", type=int, default=10, help="timed steps of a turn")
    add("--epoch-rounds", type=int, default=3, help="0: no epochs")
    add("--epoch-steps", type=int, default=500, help="steps of an epoch")
    add("--lam", type=float, default=0.95)
    add("--root", type=Path, help="folder of Fashion-MNIST; default: noise of the same shapes")
    add("--device", default="cpu")
    return parser.parse_args()


def _measure(
    config: Config, examples: datasets.Arrays, options: argparse.Namespace, device: torch.device
) -> None:
    for precision in SAME:
        _check(_group(config, examples, options.lam, precision, device), precision)
    group = _group(config, examples, options.lam, "float32", device)
    all_ways = arrangements(group)
    batches = list(itertools.islice(_batches(group), options.steps + 1))
    stepping = {name: _stepping(way, batches) for name, way in all_ways.items()}
    alone = products.products(config, torch.float32, device)
    times = race(stepping | alone, options.rounds, options.steps, device)
    _show("one step", {name: times[name] for name in stepping})
    floor = products.parts(times)
    _show_floor(times[JTDIAG], floor)
    _print_lines(f"{config} step", {name: times[name] for name in stepping})
    three = products.total(floor, products.THREE)
    ratios.print_line(f"{config} step / three products", times[JTDIAG].ratios(three))
    if options.epoch_rounds:
        running = {name: _running(way, group) for name, way in all_ways.items()}
        epochs = race(running, options.epoch_rounds, 1, device, warm_up=0)
        _show(f"an epoch of {options.epoch_steps} steps", epochs)
        _print_lines(f"{config} epoch", epochs)


def _print_lines(what: str, times: dict[str, Times]) -> None:
    for name, spent in times.items():
        if name != JTDIAG:
            ratios.print_line(f"{what} / {name}", times[JTDIAG].ratios(spent))


# --- the contenders ------------------------------------------------------------------------------


def _group(
    config: Config, examples: datasets.Arrays, lam: float, precision: str, device: torch.device
) -> LaneGroup:
    keep = ("keep.outputs=none", "keep.checkpoints=none", "data.val=0")
    made = recipe(config, (lam,), f"engine.precision={precision}", *keep)
    return lane_group(made, examples, device)


def arrangements(group: LaneGroup) -> dict[str, Arrangement]:
    """Return every arrangement, at the same initial weights."""
    return {
        JTDIAG: Jtdiag(group),
        AUTHORS: Authors(group),
        VMAP: Vmapped(group),
        VMAP + ", no metrics": Vmapped(group, metrics=False),
        LOOP: Loop(group),
    }


def _batches(group: LaneGroup) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches (B, D) and (B,) of an epoch, drawn as plainly as can be."""
    part = group.data.part(names.TRAIN)
    x, y = part.x.flatten(1), part.y
    order = seeds.batch_order(len(y), group.recipe.seed, 0, 1).to(x.device)
    for at in torch.split(order, BATCH):
        yield x[at], y[at]


def _stepping(way: Arrangement, batches: list[tuple[Tensor, Tensor]]) -> Contender:
    """Return a contender that takes one step, on each batch in turn."""
    turn = itertools.cycle(batches)
    return Contender(step=lambda: way.step(*next(turn)), prepare=way.reset)


def _running(way: Arrangement, group: LaneGroup) -> Contender:
    """Return a contender that runs an epoch, and fetches its metrics if it has any."""

    def epoch() -> None:
        for x, target in _batches(group):
            way.step(x, target)
        if getattr(way, "with_metrics", True):
            way.metrics()

    def engine_epoch() -> None:
        group.train_epoch(1)

    return Contender(engine_epoch if isinstance(way, Jtdiag) else epoch, way.reset)


# --- the check -----------------------------------------------------------------------------------


def _check(group: LaneGroup, precision: str) -> None:
    """Take some steps in every arrangement; stop unless all agree with jtdiag's.

    Metrics are compared except in float32, where rounding may turn the vote of an example.
    """
    batches = list(itertools.islice(_batches(group), CHECKED_STEPS))
    ways = arrangements(group)
    for way in ways.values():
        for x, target in batches:
            way.step(x, target)
    ours = ways.pop(JTDIAG)
    apart = {name: _distance(ours, way, precision) for name, way in ways.items()}
    print(f"  {precision}, after {len(batches)} steps: losses and weights differ by at most "
          f"{max(apart.values()):.1e}")  # fmt: skip
    wrong = [name for name, distance in apart.items() if not distance < SAME[precision]]
    if wrong:
        raise SystemExit(f"{', '.join(wrong)}: {apart}; must be below {SAME[precision]}.")


def _distance(ours: Arrangement, other: Arrangement, precision: str) -> float:
    """Return the largest difference in any weight or metric."""
    theirs = other.weights()
    found = [float((w - theirs[name]).abs().max()) for name, w in ours.weights().items()]
    if getattr(other, "with_metrics", True):
        counted = other.metrics()
        for name, values in ours.metrics().items():
            if precision == "float64" or name in (names.MEMBER_LOSS, names.ENSEMBLE_LOSS):
                found.append(float(abs(values - counted[name]).max()))
    return max(found)


# --- the tables ----------------------------------------------------------------------------------


def _show(title: str, times: dict[str, Times]) -> None:
    ours = times[JTDIAG]
    print(_heading(title, "x jtdiag") + f"{'cores':>7}")
    for name, spent in times.items():
        fastest, median = spent.ratio_of_fastest(ours), spent.ratio_by_round(ours)
        print(_row(name, spent) + f"{fastest:10.2f}{median:10.2f}{spent.cores:7.2f}")


def _show_floor(ours: Times, parts: dict[str, Times]) -> None:
    print(_heading("matrix products alone", "jtdiag x"))
    for name, spent in parts.items():
        print(_row(name, spent).rstrip())
    for name, which in (("the three products", products.THREE), ("all five", products.PARTS)):
        spent = products.total(parts, which)
        fastest, median = ours.ratio_of_fastest(spent), ours.ratio_by_round(spent)
        print(_row(name, spent) + f"{fastest:10.2f}{median:10.2f}")


def _heading(title: str, ratio: str) -> str:
    return f"  {title:34}{'fastest':>10}{'median':>10} ms{ratio:>10}{'by round':>10}"


def _row(name: str, spent: Times) -> str:
    return f"    {name:32}{1e3 * spent.fastest:10.3f}{1e3 * spent.median:10.3f}   "


if __name__ == "__main__":
    main()
