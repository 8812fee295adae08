"""Intervals of an error for new trials and new test examples."""

import numpy as np
from numpy.typing import ArrayLike

from jtdiag.stats.intervals import LEVEL, Interval, mean_interval, quantile
from jtdiag.stats.proportions import clopper_pearson


def population_interval(rates: ArrayLike, examples: int) -> Interval:
    """Return the mean error rate with an interval for new trials and new test examples.

    Includes both sources: the variance over trials, as in `mean_interval`, and the sampling of the
    test examples, for which the exact binomial interval of the mean rate stands in. That is at most
    too wide: the variance over examples of a rate averaged over trials cannot exceed that of wrong
    or right. The distances of both intervals from the mean are added in squares (Graybill and Wang
    1980). With a single trial, or trials that all agree, only the second source is included.

    Args:
        rates: (trials,), fractions of the examples that are wrong; NaN is left out.
        examples: Number of test examples, the same ones in every trial.
    """
    over_trials = mean_interval(rates)
    mean = over_trials.mean
    if not (np.isfinite(mean) and examples > 0):
        return Interval(mean, np.nan, np.nan)
    ends = [float(end) for end in clopper_pearson(mean * examples, examples)]
    low, high = (
        np.hypot(end - mean, trial_end - mean if np.isfinite(trial_end) else 0.0)
        for end, trial_end in zip(ends, over_trials[1:], strict=True)
    )
    return Interval(mean, float(mean - low), float(mean + high)).within(0, 1)


def two_way_interval(values: ArrayLike) -> Interval:
    """Return the mean of values by trial and example, for new trials and new examples.

    Includes both sources, from the values themselves: a model with random effects of trials and of
    examples. The variance of the mean is that over trials divided by their number, plus that over
    examples divided by theirs, less the interaction, which is in both. Each standard error is
    multiplied by its own Student quantile before they are added in squares (Graybill and Wang
    1980): with two or three trials, Satterthwaite's degrees of freedom cover too little.

    Args:
        values: (trials, examples), such as 1 where a prediction is wrong; all finite.

    Returns:
        No ends for fewer than two trials or examples, or without spread.
    """
    array = np.asarray(values, float)
    trials, examples = array.shape
    mean = float(array.mean())
    if min(array.shape) < 2:
        return Interval(mean, np.nan, np.nan)
    rows, columns = array.mean(1), array.mean(0)
    rest = array - rows[:, None] - columns + mean
    of_trials, of_examples = rows.var(ddof=1) / trials, columns.var(ddof=1) / examples
    of_both = (rest**2).sum() / (trials - 1) / (examples - 1) / array.size
    if not of_trials > 0:
        return Interval(mean, np.nan, np.nan)
    tail = (1 - LEVEL) / 2
    reach = np.hypot(
        quantile(tail, trials - 1) * np.sqrt(of_trials),
        quantile(tail, examples - 1) * np.sqrt(max(0.0, of_examples - of_both)),
    )
    return Interval(mean, float(mean - reach), float(mean + reach))
