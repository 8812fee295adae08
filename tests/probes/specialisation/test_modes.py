"""Mode shares from products of outputs, against the singular value decomposition itself."""

import numpy as np
import pytest

from jtdiag_probes.shared.decomposition import logit_projections
from jtdiag_probes.specialisation import modes


def centered(members, examples, outputs, seed=0):
    logits = np.random.default_rng(seed).normal(0, 3, (members, examples, outputs))
    logits *= np.geomspace(5, 0.2, outputs)
    logits += np.random.default_rng(seed + 1).normal(0, 2, (examples, outputs))
    return logits - logits.mean(-1, keepdims=True)


@pytest.mark.parametrize(("members", "outputs"), [(1, 4), (2, 3), (4, 10), (7, 2)])
def test_shares_are_those_of_the_singular_vectors(members, outputs):
    logits = centered(members, 60, outputs)
    measured = modes.of_products(modes.products(logits), outputs - 1)
    u, sigma, vt = np.linalg.svd(logits.mean(0), full_matrices=False)
    np.testing.assert_allclose(measured.singular_value, sigma[:-1], rtol=1e-12)
    for k in range(outputs - 1):
        for j in range(members):
            expected = u[:, k] @ logits[j] @ vt[k] / (members * sigma[k])
            assert measured.share[k, j] == pytest.approx(expected, abs=1e-11)
    assert abs(np.abs((measured.directions * vt[:-1]).sum(1)) - 1).max() < 1e-10


def test_the_shares_of_a_mode_sum_to_one():
    measured = modes.of_products(modes.products(centered(5, 40, 6)), 5)
    np.testing.assert_allclose(measured.share.sum(1), 1, rtol=1e-12)
    assert measured.weight.sum() == pytest.approx(1, rel=1e-14)


def test_the_logit_share_is_the_weighted_mean_of_the_mode_shares():
    logits = centered(4, 200, 10)
    cross = modes.products(logits)
    measured = modes.of_products(cross, 9)
    weighted = (measured.weight[:, None] * measured.share).sum(0)
    np.testing.assert_allclose(weighted, modes.logit_share(cross), atol=1e-12)
    projection, norm = logit_projections(logits)
    np.testing.assert_allclose(weighted, projection / (4 * norm), atol=1e-12)


def test_products_add_up_over_blocks_of_examples():
    logits = centered(3, 50, 4)
    blocks = sum(modes.products(logits[:, i : i + 7]) for i in range(0, 50, 7))
    np.testing.assert_allclose(blocks, modes.products(logits), rtol=1e-12, atol=1e-12)


def test_members_that_carry_one_mode_each_have_all_of_it():
    examples, directions = np.eye(6)[:, :2], np.array([[1.0, -1, 0], [1, 1, -2]])
    logits = np.stack([examples[:, [k]] * directions[k] * (5 - 3 * k) for k in range(2)])
    measured = modes.of_products(modes.products(logits), 2)
    np.testing.assert_allclose(measured.share, np.eye(2), atol=1e-12)


def test_modes_beneath_the_precision_of_the_logits_are_left_out():
    logits = centered(3, 50, 5)
    logits[..., 1:] = 1e-7 * logits[..., 1:]
    measured = modes.of_products(modes.products(logits), 5)
    assert np.isfinite(measured.singular_value).tolist() == [True, False, False, False, False]
    np.testing.assert_allclose(measured.share[0].sum(), 1)
    assert np.isnan(measured.share[1:]).all()
    coarse = modes.of_products(modes.products(centered(3, 50, 5)), 5, smallest=0.5)
    assert np.isfinite(coarse.singular_value).sum() < 4


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_logits_without_modes_have_none(value):
    with np.errstate(invalid="ignore"):
        cross = modes.products(np.full((2, 4, 3), value))
    measured = modes.of_products(cross, 2)
    assert np.isnan(measured.share).all()
    assert np.isnan(modes.logit_share(cross)).all()


def test_the_smallest_mode_is_relative_to_the_largest_singular_value():
    directions, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    sigma = np.array([200, 200e-4, 200e-6])
    measured = modes.of_products((directions * sigma**2 @ directions.T)[None], 3)
    assert np.isfinite(measured.singular_value).tolist() == [True, True, False]
    np.testing.assert_allclose(measured.singular_value[:2], sigma[:2], rtol=1e-6)
