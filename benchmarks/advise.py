"""Whether advice is as good as a full grid: `python benchmarks/advise.py --seeds 10`.

For each seed, the search of `jtdiag advise` may train a quarter of the epochs of the grid, in
which every candidate has five complete trials. Then the runs are continued to the full grid.
Counted are the seeds in which the recommended candidate is within one standard error of the grid's
best, where both are measured in the five trials of the grid: on validation, and on test, which the
search does not look at. All candidates have equally many parameters, so that cost is counted in
epochs of single lanes; seconds of processor time are printed as well. The grid's own selection by
validation is measured on test in the same way, for comparison.
"""

import argparse
import math
import tempfile
import time
from pathlib import Path

import numpy as np

from jtdiag import names, stats
from jtdiag.advising import racing
from jtdiag.advising.candidates import Candidate, Question, candidates, path_of
from jtdiag.advising.searching import search
from jtdiag.advising.training import Limit, Training, existing

TRIALS = 5
"""Trials of every candidate in the grid."""
SHARE = 0.25
"""Share of the epochs of the grid that the search may train."""


def main() -> None:
    """Print a line for each seed, and the counts."""
    options = _options()
    rows = []
    for seed in range(options.first, options.first + options.seeds):
        question = Question(
            data=options.data,
            params=options.params,
            arch=options.arch,
            members=tuple(map(int, options.members.split(","))),
            overrides=(*options.set, f"seed={seed}"),
        )
        with tempfile.TemporaryDirectory() as folder:
            rows.append(of_seed(seed, question, Path(folder)))
    good = np.array(rows)
    count = len(good)
    for column, text in enumerate(("on validation", "on test", "on test, chosen by the grid")):
        within = f"{good[:, column].sum():.0f} of {count}"
        print(f"within one standard error of the grid's best {text}: {within}")
    shares = ", ".join(f"{good[:, i].mean():.3f} ({good[:, i].max():.3f} at most)" for i in (3, 4))
    print(f"cost as a share of the grid, epochs and processor seconds: {shares}")


def of_seed(seed: int, question: Question, folder: Path) -> tuple[float, ...]:
    """Search, then train the grid; return what succeeded, and two shares of the cost."""
    every = candidates(question)
    by_name = {candidate.name: candidate for candidate in every}
    epochs = len(every) * TRIALS * every[0].recipe.train.epochs
    limit = Limit(epochs=math.floor(SHARE * epochs))
    training = Training(folder, by_name, limit)
    start = time.process_time()
    ended = search(every, training, seed)
    searched = time.process_time()
    evidence = racing.evidence([*by_name], training, TRIALS)
    grid = Training(folder, by_name, Limit())
    val = np.array([grid.errors(name, TRIALS)[:TRIALS] for name in by_name])
    trained = time.process_time() - start
    test = np.array([test_errors(folder, candidate) for candidate in every])
    advised, chosen = [*by_name].index(evidence.recommended), int(val.mean(1).argmin())
    good = (near(val, advised), near(test, advised), near(test, chosen))
    print(
        f"seed {seed}: {ended}, {evidence.recommended} ({100 * val[advised].mean():.2f} % on "
        f"validation, {100 * test[advised].mean():.2f} % on test); grid: {every[chosen].name} "
        f"({100 * val[chosen].mean():.2f} %, {100 * test[chosen].mean():.2f} %), lowest on test "
        f"{100 * test.mean(1).min():.2f} %; {len(evidence.undecided)} undecided; within: {good}; "
        f"{limit.trained} of {epochs} epochs, {searched - start:.0f} of {trained:.0f} s",
        flush=True,
    )
    return (*map(float, good), limit.trained / epochs, (searched - start) / trained)


def test_errors(folder: Path, candidate: Candidate) -> np.ndarray:
    """Return the test errors (trials,) at the epochs that validation chose."""
    run = existing(path_of(folder, candidate))
    assert run is not None
    errors = run.metrics()[names.ENSEMBLE_ERROR].sel({names.SPLIT: names.TEST})
    lanes = [lane for lane in run.lanes if lane.trial < TRIALS]
    return np.array([float(errors[0, lane.trial, run.chosen_epoch(lane)]) for lane in lanes])


def near(errors: np.ndarray, index: int) -> bool:
    """Return whether the mean of a row is at most the lowest mean plus its standard error."""
    best = int(errors.mean(1).argmin())
    se = float(stats.standard_error(errors[best]))
    return bool(errors[index].mean() <= errors[best].mean() + se)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--params", type=int, default=10_000)
    parser.add_argument("--arch", default="mlp")
    parser.add_argument("--members", default="1,4,16,64")
    parser.add_argument("--set", action="append", default=[], help="as for jtdiag advise")
    return parser.parse_args()


if __name__ == "__main__":
    main()
