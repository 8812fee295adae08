"""Calibration errors by chance: their mean, and how often a calibrated predictor is accused."""

import numpy as np
import pytest

from jtdiag_probes.calibration import consistency
from jtdiag_probes.calibration.reliability import (
    calibration_error,
    equal_width,
    error_by_chance,
    in_bins,
)

BINS = 15


@pytest.fixture
def confidence():
    return np.random.default_rng(0).uniform(0.3, 1, 400)


def test_the_mean_by_chance_is_the_closed_form(confidence):
    bin_of = equal_width(confidence, BINS)
    random = np.random.default_rng(1)
    drawn = consistency.errors_by_chance(confidence, bin_of, BINS, random)
    bins = in_bins(confidence, confidence > 0, bin_of, BINS)
    assert drawn.mean() == pytest.approx(error_by_chance(bins), rel=0.02)
    slow = []
    for _ in range(300):
        right = random.random(400) < confidence
        slow.append(calibration_error(in_bins(confidence, right, bin_of, BINS)))
    assert drawn.mean() == pytest.approx(np.mean(slow), rel=0.05)


def test_drawing_in_parts_changes_nothing_but_the_draws(confidence, monkeypatch):
    bin_of = equal_width(confidence, BINS)
    whole = consistency.errors_by_chance(confidence, bin_of, BINS, np.random.default_rng(2))
    monkeypatch.setattr(consistency, "AT_ONCE", 7)
    parts = consistency.errors_by_chance(confidence, bin_of, BINS, np.random.default_rng(2))
    assert parts.mean() == pytest.approx(whole.mean(), rel=0.03)


def test_a_calibrated_predictor_is_rarely_accused(confidence):
    """10,000 predictors; the p value of each is against the same draws."""
    bin_of = equal_width(confidence, BINS)
    random = np.random.default_rng(3)
    null = np.sort(consistency.errors_by_chance(confidence, bin_of, BINS, random))
    measured = np.concatenate(
        [consistency.errors_by_chance(confidence, bin_of, BINS, random) for _ in range(6)]
    )[:10_000]
    reached = len(null) - np.searchsorted(null, measured - 1e-12)
    p = (1 + reached) / (1 + len(null))
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.012)  # the draws of the null vary, too


def test_the_p_value_counts_draws_that_reach_the_error(confidence):
    bin_of = equal_width(confidence, BINS)
    null = consistency.errors_by_chance(confidence, bin_of, BINS, np.random.default_rng(4))
    for error in (0.0, float(np.median(null)), 0.5):
        p = consistency.p_value(error, confidence, bin_of, BINS, np.random.default_rng(4))
        assert p == (1 + (null >= error - 1e-12).sum()) / 2000
