"""Numbers, intervals and lists as they are written in sentences and tables."""

from collections.abc import Sequence

import numpy as np

from jtdiag.stats.intervals import Interval
from jtdiag.stats.power import POWER

NOT_MEASURED = "not measured"
"""In place of a mean over no trials."""


def with_interval(interval: Interval, form: str = ".1f", unit: str = "") -> str:
    """Return a mean with its 95 % interval, "11.6 % (95 % interval 11.3 to 11.9 %)".

    The mean alone where it has no interval, as for a single trial.

    Args:
        interval: In the unit that is printed; the caller multiplies errors by 100.
        form: Format of all three numbers, such as ".2f", or "+.2f" for a difference.
        unit: Printed after them, such as "%" or "nats".
    """
    text = f"{interval.mean:{form}} {unit}".rstrip()
    if interval.exists:
        ends = f"{interval.low:{form}} to {interval.high:{form}} {unit}".rstrip()
        text = f"{text} (95 % interval {ends})"
    return text.replace("-", "−")


def with_power(difference: float, form: str = ".1f", unit: str = "") -> str:
    """Return what a test that found nothing could have found, of `stats.smallest_detectable`.

    "a difference of 0.9 points would have been detected with a probability of 80 %"

    Args:
        difference: In the unit that is printed; finite.
        form: Its format.
        unit: Printed after it, such as "points" or "nats".
    """
    text = f"a difference of {difference:{form}} {unit}".rstrip()
    return f"{text} would have been detected with a probability of {100 * POWER:.0f} %"


def plus_minus(mean: float, se: float, form: str = ".1f", unit: str = "") -> str:
    """Return a mean with its standard error, "11.6 ± 0.1 %"; the mean alone where SE is NaN.

    `NOT_MEASURED` where the mean is not finite.

    For tables that say SE. A sentence gives the 95 % interval, see `with_interval`.

    Args:
        mean: In the unit that is printed; the caller multiplies errors by 100.
        se: Standard error; NaN where there is none, as for a single trial.
        form: Format of both numbers.
        unit: Printed after them, such as "%" or "nats".
    """
    if not np.isfinite(mean):
        return NOT_MEASURED
    text = f"{mean:{form}} ± {se:{form}}" if np.isfinite(se) else f"{mean:{form}}"
    return f"{text} {unit}".rstrip().replace("-", "−")


def signed(value: float, form: str = ".2f") -> str:
    """Return a difference with its sign: "+0.20", "−1.30"."""
    return f"{value:+{form}}".replace("-", "−")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: "1 alert", "2 alerts"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def listed(items: Sequence[str]) -> str:
    """Return items as in a sentence: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
