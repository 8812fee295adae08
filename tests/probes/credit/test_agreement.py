import numpy as np
import pytest

from jtdiag_probes.credit.agreement import agreement, relative_to_first

RANDOM = np.random.default_rng(0)


def test_it_is_that_of_scalar_products():
    given, reference = RANDOM.normal(size=(2, 4, 7))
    result = agreement(given, reference)
    for j in range(4):
        own, wanted = np.sqrt(given[j] @ given[j]), np.sqrt(reference[j] @ reference[j])
        assert result.cosine[j] == pytest.approx(given[j] @ reference[j] / (own * wanted))
        assert result.norm_ratio[j] == pytest.approx(own / wanted)
        assert result.reference_norm[j] == pytest.approx(wanted)


def test_a_multiple_points_the_same_way_and_its_negative_the_other():
    reference = RANDOM.normal(size=(3, 5))
    np.testing.assert_allclose(agreement(2 * reference, reference).cosine, 1, rtol=1e-15)
    np.testing.assert_allclose(agreement(-reference, reference).cosine, -1, rtol=1e-15)
    np.testing.assert_allclose(agreement(2 * reference, reference).norm_ratio, 2, rtol=1e-15)


@pytest.mark.parametrize("factor", [1e-200, 1e200])
def test_squares_become_neither_0_nor_infinite(factor):
    given, reference = RANDOM.normal(size=(2, 3, 5))
    scaled, expected = agreement(factor * given, factor * reference), agreement(given, reference)
    np.testing.assert_allclose(scaled.cosine, expected.cosine)
    np.testing.assert_allclose(scaled.norm_ratio, expected.norm_ratio)


def test_what_does_not_exist_is_nan():
    zero, reference = np.zeros((1, 2)), np.ones((1, 2))
    assert np.isnan(agreement(None, reference).cosine).all()
    assert np.isnan(agreement(None, reference).norm_ratio).all()
    assert np.isnan(agreement(zero, reference).cosine).all()
    assert agreement(zero, reference).norm_ratio == 0
    assert np.isnan(agreement(reference, zero)[:2]).all()
    assert np.isnan(agreement(reference * np.nan, reference)[:2]).all()
    assert np.isnan(agreement(reference * np.inf, reference)[:2]).all()
    assert np.isnan(agreement(reference, reference * np.inf)[:2]).all()
    assert np.isnan(agreement(np.ones((1, 0)), np.ones((1, 0)))[:2]).all()


def test_norms_are_relative_to_the_first_along_an_axis():
    norms = np.array([[2.0, 1.0, 0.5], [0.0, 1.0, 1.0]])
    np.testing.assert_array_equal(
        relative_to_first(norms, 1), [[1, 0.5, 0.25], [np.nan, np.nan, np.nan]]
    )
