"""Closed forms for dropping members, and for constant offsets that cancel."""

import itertools

import numpy as np
import pytest
from scipy.special import logsumexp

from jtdiag_probes.diversity import dropping as dropping_module
from jtdiag_probes.diversity.dropping import (
    Dropping,
    centered,
    diversity,
    kept_of,
    offsets,
    predicted_rise,
)
from jtdiag_probes.shared.decomposition import cross_entropy, member_divergences


def rng():
    return np.random.default_rng(1)


def test_diversity_is_the_mean_divergence_from_the_ensemble():
    logits = rng().normal(0, 2, (5, 7, 4))
    np.testing.assert_allclose(diversity(logits), member_divergences(logits).mean(0), rtol=1e-12)


def test_without_offsets_the_ensemble_is_the_same_and_the_offsets_are_gone():
    """As in Jeffares et al. 2023, in the form for logits."""
    biased = rng().normal(0, 1, (6, 200, 4)) + 2 * rng().normal(0, 1, (6, 1, 4))
    logits = centered(biased)
    b = offsets(logits.mean(1))
    np.testing.assert_allclose(b.sum(0), 0, atol=1e-12)
    np.testing.assert_allclose((logits - b).mean(0), logits.mean(0), atol=1e-12)
    np.testing.assert_allclose(offsets((logits - b).mean(1)), 0, atol=1e-12)
    assert diversity(logits - b).mean() < diversity(logits).mean()


def test_members_that_differ_by_constants_alone_have_no_diversity_left():
    logits = centered(rng().normal(0, 1, (1, 50, 3)) + 3 * rng().normal(0, 1, (4, 1, 3)))
    assert diversity(logits).mean() > 0.1
    np.testing.assert_allclose(diversity(logits - offsets(logits.mean(1))), 0, atol=1e-12)


def test_centering_shifts_all_logits_of_an_example_alike():
    logits = rng().normal(0, 2, (3, 5, 4)).astype(np.float32)
    shifted = centered(logits) - logits
    np.testing.assert_allclose(shifted - shifted[..., :1], 0, atol=1e-6)
    assert centered(logits).dtype == np.float64


@pytest.mark.parametrize(
    ("members", "kept"),
    [
        (1, [1, 1, 1]),
        (2, [1, 1, 1]),
        (3, [2, 2, 2]),
        (4, [3, 3, 2]),
        (5, [4, 3, 2]),
        (10, [8, 6, 4]),
    ],
)
def test_a_fraction_is_rounded_down_but_at_least_one_member_is_dropped_and_one_kept(members, kept):
    assert [kept_of(members, fraction) for fraction in (0.2, 0.4, 0.6)] == kept


def test_whole_numbers_are_not_lost_to_rounding():
    for members in range(5, 300, 5):
        assert kept_of(members, 0.6) == members - 3 * members // 5


@pytest.mark.parametrize("kept", range(1, 8))
def test_for_squared_error_the_prediction_is_exact(kept):
    """Over all subsets of seven members: theory of dropping, ens + (M−m)/(m(M−1))·DIV."""
    predictions, truth = rng().normal(0, 1, 7), 0.3
    whole = (predictions.mean() - truth) ** 2
    spread = ((predictions - truth) ** 2).mean() - whole
    subsets = list(itertools.combinations(range(7), kept))
    rise = np.mean([(predictions[list(s)].mean() - truth) ** 2 for s in subsets]) - whole
    assert rise == pytest.approx(float(predicted_rise(np.array(spread), 7, kept)), abs=1e-8)


def over_subsets(logits, target, kept):
    subsets = list(itertools.combinations(range(len(logits)), kept))
    losses = [cross_entropy(logits[list(s)].mean(0), target) for s in subsets]
    return np.mean(losses, 0) - cross_entropy(logits.mean(0), target)


def test_for_classes_the_prediction_is_right_for_a_small_spread():
    base = rng().normal(0, 1, 5)
    for spread, off in ((0.3, 0.1), (0.01, 0.005)):
        logits = base + spread * rng().normal(0, 1, (7, 1, 5))
        rise = over_subsets(logits, np.array([0]), 3)
        ratio = rise / predicted_rise(diversity(logits), 7, 3)
        assert ratio == pytest.approx(1, abs=off)


def test_one_member_cannot_be_dropped():
    assert float(predicted_rise(np.array(0.0), 1, 1)) == 0


# --- dropping -------------------------------------------------------------------------------------


def test_dropping_comes_near_the_mean_over_all_subsets():
    logits, target = rng().normal(0, 1, (5, 4, 3)), np.array([0, 1, 2, 0])
    rises = Dropping(kept=(2, 4), repeats=4000).rises(logits, target, rng())
    for row, kept in zip(rises, (2, 4), strict=True):
        exact = over_subsets(logits, target, kept).sum()
        error = row.std(ddof=1) / np.sqrt(4000)
        assert abs(row.mean() - exact) < 4 * error


def test_the_subsets_are_drawn_independently_for_every_example():
    logits = np.repeat(rng().normal(0, 1, (6, 1, 3)), 200, axis=1)
    dropping = Dropping(kept=(3,), repeats=1)
    rank = np.random.default_rng(1).random((200, 1, 6)).argsort(-1).argsort(-1)
    slow = [
        logsumexp(logits[rank[i, 0] < 3, i].mean(0)) - logits[rank[i, 0] < 3, i].mean(0)[1]
        for i in range(200)
    ]
    whole = cross_entropy(logits.mean(0), np.full(200, 1))
    rises = dropping.rises(logits, np.full(200, 1), np.random.default_rng(1))
    assert len(set(np.round(slow, 12))) > 10
    assert rises.item() == pytest.approx((slow - whole).sum(), rel=1e-10)


def test_chunks_give_the_same_as_all_examples_at_once(monkeypatch):
    logits, target = rng().normal(0, 1, (4, 50, 3)), np.arange(50) % 3
    dropping = Dropping(kept=(1, 3), repeats=3)
    whole = dropping.rises(logits, target, np.random.default_rng(5))
    random = np.random.default_rng(5)
    parts = sum(
        dropping.rises(logits[:, a:b], target[a:b], random)
        for a, b in ((0, 13), (13, 14), (14, 50))
    )
    np.testing.assert_allclose(parts, whole, rtol=1e-10)
    monkeypatch.setattr(dropping_module, "AT_ONCE", 7)
    again = dropping.rises(logits, target, np.random.default_rng(5))
    np.testing.assert_allclose(again, whole, rtol=1e-10)


def test_nothing_rises_when_all_are_kept():
    logits, target = rng().normal(0, 1, (4, 9, 3)), np.arange(9) % 3
    rises = Dropping(kept=(4,), repeats=2).rises(logits, target, rng())
    np.testing.assert_allclose(rises, 0, atol=1e-12)
