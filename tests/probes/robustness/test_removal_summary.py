import itertools

import numpy as np
import pytest

from jtdiag_probes.robustness.removal_summary import (
    area_under_curve,
    by_probability,
    probabilities,
    tolerated_fraction,
)


def test_the_tolerated_fraction_is_where_the_curve_has_fallen_by_a_point():
    assert tolerated_fraction(np.array([0.90, 0.895, 0.885, 0.5])) == pytest.approx(1.5 / 4)


def test_a_curve_that_only_touches_the_limit_has_fallen_there():
    assert tolerated_fraction(np.array([0.90, 0.88, 0.80]), fall=0.02) == pytest.approx(1 / 3)


def test_a_curve_that_rises_again_has_fallen_where_it_first_did():
    assert tolerated_fraction(np.array([0.90, 0.88, 0.90, 0.5])) == pytest.approx(0.5 / 4)


def test_where_accuracy_never_falls_all_but_one_may_go():
    assert tolerated_fraction(np.full(8, 0.9)) == 7 / 8


def test_the_tolerated_fraction_of_one_member_or_of_a_nan_curve_is_nan():
    assert np.isnan(tolerated_fraction(np.array([0.9])))
    assert np.isnan(tolerated_fraction(np.array([0.9, np.nan, 0.5])))


def test_the_area_under_a_straight_line_is_its_mean():
    assert area_under_curve(np.linspace(0.9, 0.1, 9)) == pytest.approx(0.5)
    assert area_under_curve(np.array([0.9])) == 0.9


@pytest.mark.parametrize(("members", "expected"), [(256, 0.033), (64, 0.125), (16, 0.413)])
def test_probabilities_begin_where_the_authors_do(members, expected):
    grid = probabilities(members, trials=5)
    assert grid[0] == pytest.approx(expected, abs=5e-4)
    assert (len(grid), grid[-1]) == (20, 1)
    assert (1 - (1 - grid[0]) ** members) ** 5 == pytest.approx(0.999, rel=1e-12)


def test_the_mean_over_all_masks_is_the_accuracy_by_probability():
    """Enumerate every subset of four members, with its probability."""
    value = np.random.default_rng(0).random(16)  # accuracy of each subset, by its bits
    masks = list(itertools.product([0, 1], repeat=4))
    by_size = [
        np.mean([v for v, m in zip(value, masks, strict=True) if sum(m) == k]) for k in range(5)
    ]
    for p in (0.2, 0.7, 1.0):
        expected = sum(
            v * p ** sum(m) * (1 - p) ** (4 - sum(m)) for v, m in zip(value, masks, strict=True)
        )
        [mean] = by_probability(np.array(by_size[1:]), np.array([p]), by_size[0])
        assert mean == pytest.approx(expected, rel=1e-12)


def test_kept_with_probability_one_all_members_are_evaluated():
    assert by_probability(np.array([0.5, 0.7]), np.array([1.0]), 0.1) == pytest.approx([0.7])
