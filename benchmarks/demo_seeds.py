"""What the demo shows, and whether it depends on its seed: `python benchmarks/demo_seeds.py 1 2 3`.

Trains the recipe of the demo with other seeds and prints, for each: the test error at every λ, the
difference between λ = 1 and λ = 0 with its 95 % interval over paired trials, and after which epoch
the rule dominance first fired in every trial. A seed takes about ten seconds of processor time.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from jtdiag import find_recipe, probe, stats, train
from jtdiag.names import ENSEMBLE_ERROR, LAM, TEST

EARLY = 4
"""Last epoch after which a rule counts as early here; rules fire from epoch 3 on."""
KEEP = ("keep.outputs=none", "keep.checkpoints=none")


def main(seeds: list[int]) -> None:
    """Print one block for each seed, and a summary."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [of_seed(seed, Path(folder) / str(seed)) for seed in seeds]
    worse = sum(points.mean > 0 for points, *_ in rows)
    significant = sum(points.significant and points.mean > 0 for points, *_ in rows)
    early, trials, false = (sum(row[i] for row in rows) for i in (1, 2, 3))
    print(
        f"λ = 1 is worse in {worse} of {len(rows)} seeds, significantly in {significant}; "
        f"dominance fires at λ = 1 by epoch {EARLY} in {early} of {trials} trials, "
        f"at λ = 0 in {false}"
    )


def of_seed(seed: int, folder: Path) -> tuple[stats.Interval, int, int, int]:
    """Train and print a seed; return the difference, and in how many trials dominance fired."""
    run = train(find_recipe("demo", (f"seed={seed}", *KEEP)), folder)
    errors = chosen_errors(run)
    points = stats.mean_interval(100 * (errors[-1] - errors[0]))
    first = probe(run, "alerts")["first_spoke"].sel(rule="dominance").transpose(LAM, ...).values
    by_lam = ", ".join(
        f"λ = {lam:g}: {100 * row.mean():.1f} %"
        for lam, row in zip(run.recipe.lam, errors, strict=True)
    )
    difference = stats.with_interval(points, "+.2f", "points")
    print(f"seed {seed}: {by_lam}; λ = 1 minus λ = 0: {difference}")
    for lam, epochs in zip(run.recipe.lam, first, strict=True):
        fired = [f"{epoch:.0f}" if epoch >= 0 else "-" for epoch in epochs]
        print(f"  dominance at λ = {lam:g} after epoch {' '.join(fired)}", flush=True)
    early = np.sum((first[-1] >= 0) & (first[-1] <= EARLY))
    return points, int(early), first.shape[1], int(np.sum(first[0] >= 0))


def chosen_errors(run) -> np.ndarray:
    """Return the test errors (lam, trial) at the epochs chosen on validation."""
    metrics = run.metrics()
    of_test = metrics[ENSEMBLE_ERROR].sel(split=TEST)
    return of_test.sel(epoch=metrics["best_epoch"]).transpose(LAM, ...).values


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]] or list(range(1, 11)))
