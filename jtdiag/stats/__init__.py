"""Intervals, comparisons and their power: every claim of a difference is made with these."""

from jtdiag.stats.comparisons import (
    LEAST_TRIALS,
    against_lowest,
    against_reference,
    best_set,
    from_lowest,
)
from jtdiag.stats.formatting import counted, listed, plus_minus, signed, with_interval, with_power
from jtdiag.stats.intervals import (
    LEVEL,
    Interval,
    interval_ends,
    mean_interval,
    paired,
    standard_error,
    unpaired,
)
from jtdiag.stats.population import population_interval, two_way_interval
from jtdiag.stats.power import POWER, smallest_detectable, smallest_detectable_unpaired
from jtdiag.stats.proportions import clopper_pearson, mcnemar, paired_fractions
from jtdiag.stats.rankings import (
    LEAST_SOURCES,
    RESAMPLES,
    bootstrap_interval,
    kendall,
    random_regret,
    regret,
    static_scores,
)

__all__ = [
    "LEAST_SOURCES",
    "LEAST_TRIALS",
    "LEVEL",
    "POWER",
    "RESAMPLES",
    "Interval",
    "against_lowest",
    "against_reference",
    "best_set",
    "bootstrap_interval",
    "clopper_pearson",
    "counted",
    "from_lowest",
    "interval_ends",
    "kendall",
    "listed",
    "mcnemar",
    "mean_interval",
    "paired",
    "paired_fractions",
    "plus_minus",
    "population_interval",
    "random_regret",
    "regret",
    "signed",
    "smallest_detectable",
    "smallest_detectable_unpaired",
    "standard_error",
    "static_scores",
    "two_way_interval",
    "unpaired",
    "with_interval",
    "with_power",
]
