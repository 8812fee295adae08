"""Areas, limits and rates against scikit-learn, slow obvious versions and DeLong's variance."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.metrics import precision_score, recall_score, roc_auc_score, roc_curve

from early_warning_study import roc

RNG = np.random.default_rng(7)


def lanes(count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Scores with ties, higher for the positives, and who is positive."""
    positive = RNG.random(count) < 0.4
    return np.round(RNG.normal(positive, 1), 1), positive


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=30))
def test_the_area_is_scikit_learns(drawn):
    score = np.array([s for s, _ in drawn], float)
    positive = np.array([p for _, p in drawn])
    if positive.all() or not positive.any():
        assert np.isnan(roc.area(score, positive))
    else:
        assert roc.area(score, positive) == pytest.approx(roc_auc_score(positive, score))


def test_a_weight_counts_like_as_many_lanes():
    score, positive = lanes()
    weight = RNG.integers(0, 4, score.size)
    repeated = roc.area(np.repeat(score, weight), np.repeat(positive, weight))
    assert roc.area(score, positive, weight.astype(float)) == pytest.approx(repeated)


def test_a_score_that_is_unknown_never_alarms():
    score = roc.as_score(np.array([0.2, np.nan, 0.9]), low_alarms=True)
    assert score[0] > score[2] > score[1]
    assert roc.as_score(np.array([0.2, np.nan]))[1] < 0.2


def test_samples_take_whole_clusters_as_often_as_there_are_clusters():
    cluster = np.array(["a", "b", "a", "c", "c"])
    weight = roc.resampled(cluster, draws=500)
    assert np.array_equal(weight[:, 0], weight[:, 2])
    assert np.array_equal(weight[:, 3], weight[:, 4])
    assert np.all(weight[:, [0, 1, 3]].sum(1) == 3)
    assert weight.mean(0) == pytest.approx(1, abs=0.15)


def delong(score: np.ndarray, positive: np.ndarray) -> float:
    """Standard error of the area for independent lanes (DeLong et al. 1988)."""
    above, below = score[positive], score[~positive]
    wins = (above[:, None] > below) + 0.5 * (above[:, None] == below)
    by_positive, by_negative = wins.mean(1), wins.mean(0)
    return np.sqrt(by_positive.var(ddof=1) / above.size + by_negative.var(ddof=1) / below.size)


def test_the_interval_of_independent_lanes_is_as_wide_as_delongs():
    score, positive = lanes(300)
    found = roc.area_estimate(score, positive, np.arange(300).astype(str))
    assert found.high - found.low == pytest.approx(2 * 1.96 * delong(score, positive), rel=0.15)
    assert found.low < found.value < found.high


def test_copies_of_a_cluster_do_not_narrow_the_interval():
    score, positive = lanes(100)
    cluster = np.arange(100).astype(str)
    once = roc.area_estimate(score, positive, cluster)
    thrice = roc.area_estimate(np.tile(score, 3), np.tile(positive, 3), np.tile(cluster, 3))
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


def test_without_one_of_the_groups_there_is_no_area():
    cluster = np.array(["a", "b"])
    found = roc.area_estimate(np.array([1.0, 2.0]), np.array([True, True]), cluster)
    assert np.isnan([found.value, found.low, found.high]).all()


def test_the_best_limit_has_the_largest_distance_of_the_curve_from_chance():
    for _ in range(20):
        score, positive = lanes()
        alarm = score >= roc.best_limit(score, positive)
        false, recall, _ = roc_curve(positive, score)
        gain = alarm[positive].mean() - alarm[~positive].mean()
        inner = slice(1, -1)  # alarming all or nobody is no limit between two scores
        assert gain == pytest.approx((recall - false)[inner].max())


def test_of_equally_good_limits_the_one_that_alarms_least():
    score, positive = np.array([0.0, 1.0, 2.0, 3.0]), np.array([False, True, False, True])
    assert roc.best_limit(score, positive) == 2.5


def test_a_weighted_limit_is_that_of_as_many_lanes():
    score, positive = lanes()
    weight = RNG.integers(1, 4, (5, score.size))
    found = roc.best_limit(score, positive, weight.astype(float))
    slow = [float(roc.best_limit(np.repeat(score, w), np.repeat(positive, w))) for w in weight]
    assert found == pytest.approx(slow)


def test_the_limit_lies_in_its_interval_and_there_is_none_without_two_scores():
    score, positive = lanes()
    found = roc.limit_estimate(score, positive, np.arange(score.size).astype(str))
    assert found.low <= found.value <= found.high
    assert np.isnan(roc.best_limit(np.zeros(4), np.array([True, False, True, False])))


def test_rates_are_scikit_learns_and_false_alarms_those_among_negatives():
    score, positive = lanes()
    alarm = score > 0.5
    found = roc.rates(alarm, positive, np.arange(score.size).astype(str))
    assert found.precision.value == pytest.approx(precision_score(positive, alarm))
    assert found.recall.value == pytest.approx(recall_score(positive, alarm))
    assert found.false_alarms.value == pytest.approx(1 - recall_score(~positive, ~alarm))
    assert (found.alarms, found.positives) == (alarm.sum(), positive.sum())
    assert found.negatives == (~positive).sum()


def test_the_interval_of_a_rate_is_about_that_of_a_fraction():
    positive = RNG.random(400) < 0.5
    alarm = np.where(positive, RNG.random(400) < 0.7, False)
    found = roc.rates(alarm, positive, np.arange(400).astype(str)).recall
    se = np.sqrt(found.value * (1 - found.value) / positive.sum())
    assert found.high - found.low == pytest.approx(2 * 1.96 * se, rel=0.2)


def test_no_alarms_have_no_precision():
    found = roc.rates(np.zeros(3, bool), np.array([True, False, True]), np.array(["a", "b", "c"]))
    assert np.isnan(found.precision.value)
    assert found.recall.value == 0
