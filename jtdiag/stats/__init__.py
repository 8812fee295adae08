"""Intervals, comparisons and their power: every claim of a difference is made with these."""

from jtdiag.stats.comparisons import against_lowest, against_reference, best_set, mcnemar
from jtdiag.stats.formatting import listed, plus_minus, signed, with_interval
from jtdiag.stats.intervals import (
    LEVEL,
    Interval,
    interval_ends,
    mean_interval,
    paired,
    standard_error,
    unpaired,
)
from jtdiag.stats.power import POWER, smallest_detectable
from jtdiag.stats.proportions import clopper_pearson

__all__ = [
    "LEVEL",
    "POWER",
    "Interval",
    "against_lowest",
    "against_reference",
    "best_set",
    "clopper_pearson",
    "interval_ends",
    "listed",
    "mcnemar",
    "mean_interval",
    "paired",
    "plus_minus",
    "signed",
    "smallest_detectable",
    "standard_error",
    "unpaired",
    "with_interval",
]
