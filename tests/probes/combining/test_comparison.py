"""Comparisons of two combiners: the test of one trial and of several, and their false claims."""

import numpy as np
import pytest
from scipy.stats import binomtest

from jtdiag_probes.combining.comparison import compare

RUNS = 10_000


def test_several_trials_are_pairs():
    values = np.array([0.01, 0.03, 0.02])
    comparison = compare(values, 1)
    assert comparison.interval.mean == pytest.approx(0.02)
    assert comparison.interval.low == pytest.approx(0.02 - 4.3027 * 0.01 / 3**0.5, rel=1e-4)
    assert not comparison.significant
    assert compare(values / 100 + 0.02, 1).significant
    assert 0.01 < comparison.detectable < 0.1


def test_one_trial_is_tested_over_examples():
    four = compare([0.008], 1, [4], [0])
    assert (four.p, four.significant) == (0.125, False)
    assert compare([0.05], 1, [25], [0]).significant
    assert compare([0.05], 7, [25], [4]).p == pytest.approx(7 * binomtest(4, 29).pvalue)


def test_without_counts_or_spread_nothing_is_tested():
    assert not compare([0.5], 1).significant
    assert not compare([0.5, 0.5], 1, [9, 9], [0, 0]).significant


@pytest.mark.slow
@pytest.mark.parametrize("lams", [2, 7])
@pytest.mark.parametrize("trials", [2, 3, 5])
def test_no_combiner_is_called_worse_if_none_is(trials, lams):
    """Differences are whole numbers of 500 examples; rate over all λs of a run."""
    random = np.random.default_rng([trials, lams])
    runs = RUNS // 4
    differences = random.normal(0, 3, (runs, lams, trials)).round() / 500
    claims = [any(compare(row, lams).significant for row in run) for run in differences]
    assert np.mean(claims) <= 0.05 + 2 * (0.05 * 0.95 / runs) ** 0.5


@pytest.mark.parametrize("lams", [1, 7])
def test_no_single_trial_is_called_worse_if_none_is(lams):
    random = np.random.default_rng(lams)
    discordant = random.integers(1, 30, (RUNS, lams))
    first = random.binomial(discordant, 0.5)
    known = {
        (a, b): compare([0.0], lams, [a], [b]).significant for a in range(30) for b in range(30)
    }
    claims = [
        any(known[a, b] for a, b in zip(*pair, strict=True))
        for pair in zip(first.tolist(), (discordant - first).tolist(), strict=True)
    ]
    assert np.mean(claims) <= 0.05 + 2 * (0.05 * 0.95 / RUNS) ** 0.5
