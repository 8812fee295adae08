"""Processor time of a training step with modules, relative to one end to end.

    python benchmarks/module_costs.py
    python benchmarks/module_costs.py --rounds 40 --root ../shared/data --only targets codes

One member 784-256-256-256-10 with BatchNorm takes steps of AdamW on batches of 100, on one thread.
All ways take their turns in one process, so the ratios hold on a busy machine: the median over the
rounds, with the 95 % interval of the median by order statistics.
"""

import argparse
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import ratios
import torch
from stopwatch import Contender, Times, machine, race
from workload import BATCH, arrays, lane_group

from jtdiag import names
from jtdiag.engine import datasets
from jtdiag.recipe.toml import from_table

WHOLE = "end to end"
LOCAL = {"credit": "local"}
WAYS: dict[str, tuple[dict[str, Any], float | None]] = {
    WHOLE: ({}, None),
    "[modules] at its defaults": ({"cuts": "layers"}, None),
    "watch": ({"watch": True}, 1.25),
    "pred": (LOCAL, 1.3),
    "sim": ({**LOCAL, "loss": "sim"}, None),
    "predsim": ({**LOCAL, "loss": "predsim"}, 2.0),
    "infopro": ({**LOCAL, "loss": "infopro"}, 2.2),
    "contrast": ({**LOCAL, "loss": "contrast"}, None),
    "pred, mu = 0.5": ({**LOCAL, "mu": 0.5}, 1.5),
    "pred, reach = 2": ({**LOCAL, "reach": 2}, 1.5),
    "targets": ({"credit": "targets"}, 2.2),
    "synthetic": ({"credit": "synthetic"}, 1.9),
    "codes": ({"credit": "codes"}, 9.0),
    "frozen": ({"credit": "frozen"}, None),
}
"""Fields of [modules], and the most that a step may cost relative to one end to end."""


def main() -> None:
    """Measure what the command line asks for."""
    options = _options()
    torch.set_num_threads(1)
    device = torch.device("cpu")
    print(machine(device))
    examples = arrays(options.root, BATCH * (options.steps + 1), BATCH)
    ways = {name: way for name, way in WAYS.items() if name == WHOLE or _chosen(name, options.only)}
    contenders = {
        name: Contender(step=_step(fields, examples)) for name, (fields, _) in ways.items()
    }
    times = race(contenders, options.rounds, options.steps, device)
    print(f"{'':26s}     a step   ratio [95 % interval]")
    for name, (_, bar) in ways.items():
        _show(name, times[name], times[WHOLE], bar)
    for name in ways:
        if name != WHOLE:
            by_round = times[name].ratios(times[WHOLE], processor=True)
            ratios.print_line(f"step, {name} / {WHOLE}", by_round)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20, help="times every way has its turn")
    parser.add_argument("--steps", type=int, default=20, help="timed steps of a turn")
    parser.add_argument("--root", type=Path, help="folder of Fashion-MNIST; default: noise")
    parser.add_argument("--only", nargs="+", default=[], help="beginnings of the ways to measure")
    return parser.parse_args()


def _chosen(name: str, only: list[str]) -> bool:
    return not only or name.startswith(tuple(only))


def _step(fields: dict[str, Any], examples: datasets.Arrays) -> Callable[[], object]:
    """Return a function that takes one training step, on each batch in turn."""
    recipe = from_table(
        {
            "lam": [0.0],
            "trials": 1,
            "data": {"name": "fashion-mnist", "val": 0},
            "members": {"arch": "mlp", "count": 1, "hidden": [256, 256, 256], "norm": "batch"},
            "train": {"optimiser": "adamw", "lr": 2e-3, "weight_decay": 1e-4, "batch": BATCH},
            "engine": {"device": "cpu", "threads": 1},
            **({"modules": fields} if fields else {}),
        }
    )
    group = lane_group(recipe, examples, torch.device("cpu"))
    positions = torch.split(group._order(1), BATCH, 1)
    batches = [group._batch(part, names.TRAIN) for part in positions]
    numbers = itertools.cycle(range(len(batches)))
    means = group._running_means()
    lr = group._per_lane([2e-3])

    def step() -> None:
        number = next(numbers)
        x, target = batches[number]
        group._step((1, number), x, target, lr, means, positions=positions[number])

    return step


def _show(name: str, times: Times, whole: Times, bar: float | None) -> None:
    by_round = times.ratios(whole, processor=True)
    low, high = ratios.median_interval(by_round)
    limit = "" if bar is None else f"   at most {bar:g}"
    milliseconds = 1e3 * float(np.median(times.cpu))
    print(
        f"{name:26s} {milliseconds:7.2f} ms   {np.median(by_round):5.2f} [{low:.2f}, {high:.2f}]"
        f"{limit}"
    )


if __name__ == "__main__":
    main()
