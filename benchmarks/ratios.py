"""Ratios of times that were taken in one process, and the lines in which benchmarks print them.

A line is a JSON object: the benchmark, what the ratio is of, and its value in each round. A ratio
is of the time of jtdiag to that of a reference, so larger is slower. `compare.py` reads the lines.
"""

import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from scipy import stats


def median_interval(ratios: Sequence[float]) -> tuple[float, float]:
    """Return order statistics that cover the median with 95 %, or the extremes of few values."""
    ordered = sorted(ratios)
    rank = int(stats.binom.ppf(0.025, len(ordered), 0.5))  # so many may be left out at each end
    rank -= stats.binom.cdf(rank - 1, len(ordered), 0.5) > 0.025
    return ordered[max(0, rank - 1)], ordered[min(len(ordered) - 1, len(ordered) - rank)]


def print_line(figure: str, ratios: Sequence[float]) -> None:
    """Print the line of one figure of the benchmark that runs."""
    low, high = median_interval(ratios)
    line = {
        "benchmark": Path(sys.argv[0]).stem,
        "figure": figure,
        "median": round(statistics.median(ratios), 5),
        "interval": [round(low, 5), round(high, 5)],
        "rounds": [round(ratio, 5) for ratio in ratios],
    }
    print(json.dumps(line, ensure_ascii=False), flush=True)
