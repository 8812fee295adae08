"""What a comparison of two runs consists of: recipe fields and differences of results."""

import math
from dataclasses import dataclass

from jtdiag.stats import Interval

POINTS = "points"
"""Unit of errors: percent, and differences in percentage points."""
BY_TRIAL, BY_GROUP, BY_EXAMPLE = "paired trials", "trials, not paired", "paired test examples"
"""What an interval is computed over."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """A field in which two recipes differ, with its values as TOML."""

    name: str
    a: str
    b: str


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One quantity on test at one λ in both runs: errors in percent and points, losses in nats."""

    lam: float
    quantity: str
    unit: str
    a: float
    b: float
    interval: Interval
    """Of b − a."""
    doubt: str
    """What the interval is over, such as "paired test examples"; "" where there is none."""
    count: int
    """Number of trials or examples that the interval is computed from."""
    note: str = ""
    """What else is known of this difference, such as McNemar's test; "" for nothing."""
    comparisons: int = 1
    """Number of λs for which the intervals of this quantity hold simultaneously."""
    detectable: float = math.nan
    """Difference that the test detects with a probability of 80 %; NaN if unknown."""
