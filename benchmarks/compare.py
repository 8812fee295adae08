"""Say which figures of benchmarks have become slower or faster beyond their noise.

    git switch --detach v1.2 && for i in 1 2 3; do python benchmarks/training_step.py; done >before
    git switch main          && for i in 1 2 3; do python benchmarks/training_step.py; done >after
    python benchmarks/compare.py before after

Both files hold what benchmarks printed; lines that are JSON are read, all others skipped. A figure
is the ratio of jtdiag's time to that of a reference in the same process, so two machines can be
compared where both do the same work equally well.

The change is the ratio of the geometric means, with an interval by Welch's t on logarithms that
covers 95 % for all figures at once (Bonferroni). Where both files have a figure at least three
times, a process counts as one value: its median over rounds. Otherwise rounds are the values, and
the interval knows nothing of what differs between processes, such as where memory lies; the table
says so. The exit status is 1 if a figure became slower, or is missing after.
"""

import argparse
import json
import math
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jtdiag.stats.intervals import Interval, unpaired

PROCESSES = 3
"""Processes on both sides from which on a process is one value."""

Figures = Mapping[tuple[str, str], list[list[float]]]
"""Rounds of each process, by benchmark and figure."""


class Change(NamedTuple):
    """What became of one figure."""

    before: float
    after: float
    factor: Interval
    """Geometric mean after over that before; its ends are nan where the noise is unknown."""
    of_processes: bool

    @property
    def verdict(self) -> str:
        """What can be said of it."""
        if not self.factor.exists:
            return "cannot be told: one value"
        noise = "" if self.of_processes else " (of rounds)"
        if self.factor.low > 1:
            return "SLOWER" + noise
        return "faster" + noise if self.factor.high < 1 else "no change shown"


def main() -> int:
    """Print the table and return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    options = parser.parse_args()
    try:
        before, after = read(options.before), read(options.after)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    changes = compared(before, after)
    show(changes)
    missing = [key for key in before if key not in after]
    for benchmark, figure in missing:
        print(f"{benchmark}: {figure}: missing after")
    slower = any(change.factor.low > 1 for change in changes.values())
    return int(slower or bool(missing))


def read(path: Path) -> Figures:
    """Return the figures in a file, in their order; a process adds one list of rounds.

    Raises:
        ValueError: The file has no figures, or a line that was cut off.
    """
    figures: defaultdict[tuple[str, str], list[list[float]]] = defaultdict(list)
    for number, text in enumerate(path.read_text("utf-8").splitlines(), start=1):
        if text.startswith('{"benchmark"'):
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                raise ValueError(f"{path}, line {number} is cut off; run it again.") from None
            figures[line["benchmark"], line["figure"]].append(line["rounds"])
    if not figures:
        raise ValueError(f"{path} has no figures; give it the output of benchmarks.")
    return dict(figures)


def compared(before: Figures, after: Figures) -> dict[tuple[str, str], Change]:
    """Return the change of every figure that both have."""
    common = [key for key in before if key in after]
    return {key: _change(before[key], after[key], len(common)) for key in common}


def _change(before: list[list[float]], after: list[list[float]], comparisons: int) -> Change:
    of_processes = min(len(before), len(after)) >= PROCESSES
    old, new = (_logarithms(rounds, of_processes) for rounds in (before, after))
    factor = Interval(*(math.exp(value) for value in unpaired(old, new, comparisons)))
    means = (math.exp(statistics.fmean(values)) for values in (old, new))
    return Change(*means, factor, of_processes)


def _logarithms(processes: Sequence[list[float]], of_processes: bool) -> list[float]:
    values = (
        [statistics.median(rounds) for rounds in processes]
        if of_processes
        else [ratio for rounds in processes for ratio in rounds]
    )
    return [math.log(value) for value in values]


def show(changes: Mapping[tuple[str, str], Change]) -> None:
    """Print a row for each figure."""
    width = max((len(f"{b}: {f}") for b, f in changes), default=0)
    print(f"{'':{width}}  {'before':>8} {'after':>8}  {'change [95 % for all]':30}")
    for (benchmark, figure), change in changes.items():
        percent = [100 * (value - 1) for value in change.factor]
        ends = f" [{percent[1]:+.1f}, {percent[2]:+.1f}]" if change.factor.exists else ""
        print(
            f"{f'{benchmark}: {figure}':{width}}  {change.before:8.3f} {change.after:8.3f}  "
            f"{f'{percent[0]:+.1f} %{ends}':30} {change.verdict}"
        )


if __name__ == "__main__":
    sys.exit(main())
