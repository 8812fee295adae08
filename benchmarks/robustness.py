"""Time the accuracies of an ensemble that loses members, against the authors' way in numpy.

    python benchmarks/robustness.py
    python benchmarks/robustness.py --members 16 --counts 16

The authors' way (Webb et al. 2020, their code of 2019): for every repeat and every number of
members kept, draw a subset, take its logits out of the array, average them, take the argmax. They
tried 23 of 256 numbers; `--counts` says how many are tried here. jtdiag measures them all, and the
losses as well; `accuracy alone` leaves the losses out.
"""

import argparse
from collections.abc import Callable

import numpy as np
import ratios
import torch
from numpy.typing import NDArray
from stopwatch import Contender, machine, race

from jtdiag_probes.robustness.removal import OwnSubsets, SharedSubsets, random_orders

CHUNK = 3334
"""Examples at a time, as a store of 256 members and ten classes is read."""


def obvious(
    logits: NDArray[np.float32], target: NDArray[np.int64], repeats: int, counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return accuracies (repeats, counts) in the authors' way, by number of members kept."""
    random = np.random.default_rng(0)
    found = np.empty((repeats, len(counts)))
    for repeat in range(repeats):
        for at, count in enumerate(counts):
            kept = random.choice(len(logits), count, replace=False)
            found[repeat, at] = (logits[kept].mean(0).argmax(-1) == target).mean()
    return found


def ours(
    make: Callable[[], SharedSubsets | OwnSubsets],
    logits: NDArray[np.float32],
    target: NDArray[np.int64],
) -> NDArray[np.floating]:
    """Return accuracies (repeats, M), chunk by chunk."""
    curves = make()
    for start in range(0, len(target), CHUNK):
        curves.add(logits[:, start : start + CHUNK], target[start : start + CHUNK])
    return curves.accuracy


def main() -> None:
    """Print times and ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, default in (("members", 256), ("examples", 10_000), ("classes", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--counts", type=int, default=23)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    random = np.random.default_rng(0)
    target = random.integers(0, asked.classes, asked.examples)
    logits = random.standard_normal((asked.members, asked.examples, asked.classes), np.float32)
    logits += 0.3 * np.eye(asked.classes, dtype=np.float32)[target]
    counts = np.unique(np.linspace(1, asked.members, asked.counts).round().astype(int))
    orders = random_orders(random, asked.repeats, asked.members)
    generators = [np.random.default_rng(repeat) for repeat in range(asked.repeats)]

    means = obvious(logits, target, asked.repeats, counts).mean(0)
    shared = ours(lambda: SharedSubsets(orders), logits, target).mean(0)[counts - 1]
    print(f"largest difference of mean accuracies: {np.abs(means - shared).max():.4f}")
    contenders = {
        f"authors' way, {len(counts)} numbers of members": lambda: obvious(
            logits, target, asked.repeats, counts
        ),
        "one subset for all examples": lambda: ours(lambda: SharedSubsets(orders), logits, target),
        "the same, accuracy alone": lambda: ours(
            lambda: SharedSubsets(orders, loss=False), logits, target
        ),
        "one subset for each example": lambda: ours(
            lambda: OwnSubsets(generators, asked.members), logits, target
        ),
    }
    times = race(
        {name: Contender(step) for name, step in contenders.items()},
        asked.rounds,
        1,
        torch.device("cpu"),
        warm_up=0,
    )
    print(machine(torch.device("cpu")))
    cpu = {name: sum(time.cpu) / len(time.cpu) for name, time in times.items()}
    theirs, shared_subsets = list(times.values())[:2]
    for name, time in times.items():
        print(
            f"{name:40} {time.fastest:6.2f} s, {cpu[name]:6.2f} s of CPU, "
            f"{sum(time.cpu) / sum(shared_subsets.cpu):6.2f} of the second's"
        )
    by_round = shared_subsets.ratios(theirs, processor=True)
    scaled = [ratio * len(counts) / asked.members for ratio in by_round]
    times_as_long = 1 / np.median(scaled)
    print(f"for each number of members, the authors' way takes {times_as_long:.0f} times as long")
    ratios.print_line("a number of members / the authors'", scaled)


if __name__ == "__main__":
    main()
