import numpy as np
import pytest

from jtdiag_probes.specialisation import summary
from jtdiag_probes.specialisation.modes import Modes


def modes_of(sigma, share):
    share = np.array(share, float)
    return Modes(
        singular_value=np.array(sigma, float), share=share, directions=np.full((len(share), 3), 0.0)
    )


def test_effective_members_are_weighted_by_squared_singular_values():
    numbers = summary.of_modes(modes_of([2, 1], [[0.5, 0.5], [1.0, 0.0]]))
    assert numbers["mode_weight"].tolist() == [0.8, 0.2]
    assert numbers["mode_effective_members"].tolist() == [2, 1]
    assert numbers["effective_members_per_mode"] == pytest.approx(0.8 * 2 + 0.2 * 1)


def test_each_mode_is_won_by_its_largest_share():
    share = [[0.1, 0.7, 0.2], [0.4, 0.3, 0.3], [0.2, 0.9, -0.1]]
    numbers = summary.of_modes(modes_of([3, 2, 1], share))
    assert numbers["modes_won"].tolist() == [1, 2, 0]
    np.testing.assert_allclose(numbers["weight_won"], [4 / 14, 10 / 14, 0])


def test_negative_shares_count_as_none():
    numbers = summary.of_modes(modes_of([1], [[1.5, -0.5]]))
    assert numbers["mode_effective_members"].tolist() == [1]


def test_modes_that_do_not_exist_are_left_out():
    numbers = summary.of_modes(modes_of([2, np.nan], [[0.5, 0.5], [np.nan, np.nan]]))
    assert numbers["effective_members_per_mode"] == 2
    assert numbers["modes_won"].sum() == 1
    nothing = summary.of_modes(modes_of([np.nan], [[np.nan, np.nan]]))
    assert np.isnan(nothing["effective_members_per_mode"])
    assert np.isnan(nothing["weight_won"]).all()
