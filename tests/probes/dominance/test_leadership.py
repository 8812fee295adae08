import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.stats import spearmanr

from jtdiag.rules.skill import skill_ratio
from jtdiag_probes.dominance import leadership

# Few different values, so that ties are common.
TIED = st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.9, 1.0])
ERRORS = arrays(np.float64, array_shapes(min_dims=1, max_dims=3, max_side=5), elements=TIED)


# --- leader ---------------------------------------------------------------------------------------


@pytest.mark.slow
@given(ERRORS, st.data())
def test_the_leader_has_the_lowest_error_and_among_equals_the_lowest_loss(error, data):
    loss = data.draw(arrays(np.float64, error.shape, elements=TIED))
    values = leadership.leader(error, loss)
    assert values.shape == error.shape[:-1]
    for index in np.ndindex(error.shape[:-1]):
        pairs = list(zip(error[index], loss[index], strict=True))
        assert values[index] == pairs.index(min(pairs))


def test_there_is_no_leader_if_an_error_is_nan():
    error = np.array([[0.1, np.nan], [0.2, 0.1]])
    assert leadership.leader(error, np.ones((2, 2))).tolist() == [-1, 1]


def test_a_member_whose_loss_exploded_does_not_lead_among_equals():
    assert leadership.leader(np.array([0.5, 0.5]), np.array([np.nan, 40.0])) == 1


def test_an_only_member_leads():
    assert leadership.leader(np.array([[0.3]]), np.array([[1.0]])).tolist() == [0]


# --- margin ---------------------------------------------------------------------------------------


@pytest.mark.slow
@given(ERRORS)
def test_the_margin_is_the_second_lowest_error_minus_the_lowest(error):
    assume(error.shape[-1] > 1)
    values = leadership.margin(error)
    for index in np.ndindex(error.shape[:-1]):
        lowest, second = sorted(error[index].tolist())[:2]
        assert values[index] == second - lowest


def test_an_only_member_has_no_margin():
    assert np.isnan(leadership.margin(np.array([[0.3], [0.1]]))).all()


def test_in_float32_the_margin_is_right_to_rounding():
    error = np.array([0.75, 0.1, 0.35], dtype=np.float32)
    assert leadership.margin(error) == pytest.approx(0.25, rel=1e-6)


# --- skill ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "ensemble", "ratio"),
    [
        (0.1, 0.1, 1),  # as good as the ensemble
        (0.9, 0.1, 0),  # a guess
        (0.5, 0.1, 0.5),
        (1.0, 0.1, -0.125),  # worse than a guess
        (0.0, 0.45, 2),  # better than the ensemble
    ],
)
def test_skill_is_counted_from_a_guess_to_the_ensemble(error, ensemble, ratio):
    values = skill_ratio(np.array([error]), np.array([ensemble]), 0.9)
    assert values == pytest.approx([ratio], abs=1e-15)


@pytest.mark.parametrize("ensemble", [0.9, 0.95, np.nan])
def test_without_a_skill_of_the_ensemble_there_is_no_ratio(ensemble):
    assert np.isnan(skill_ratio(np.array([0.1]), np.array([ensemble]), 0.9)).all()


# --- rank correlation -----------------------------------------------------------------------------


@pytest.mark.slow
@given(
    st.integers(2, 8).flatmap(
        lambda m: st.tuples(
            arrays(np.float64, (3, m), elements=TIED), arrays(np.float64, m, elements=TIED)
        )
    )
)
def test_rank_correlation_is_scipys_also_with_ties(errors_and_reference):
    errors, reference = errors_and_reference
    values = leadership.rank_correlation(errors, reference)
    for row, value in zip(errors, values, strict=True):
        if len(set(row)) == 1 or len(set(reference)) == 1:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(spearmanr(row, reference).statistic, abs=1e-13)


def test_the_same_order_correlates_by_1_and_the_reverse_by_minus_1():
    errors = np.array([[0.1, 0.2, 0.7], [0.7, 0.2, 0.1], [0.0, 0.01, 0.02]])
    values = leadership.rank_correlation(errors, np.array([0.3, 0.5, 0.9]))
    np.testing.assert_allclose(values, [1, -1, 1], rtol=1e-15)


def test_an_only_member_has_no_rank():
    assert np.isnan(leadership.rank_correlation(np.array([[0.1]]), np.array([0.1]))).all()
