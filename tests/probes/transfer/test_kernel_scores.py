import numpy as np
import pytest

from jtdiag.engine.modules import pair_kernels
from jtdiag_probes.similarity.cka import cka
from jtdiag_probes.transfer.kernel_scores import cosines, kernel_scores


def example(signed, seed=0):
    random = np.random.default_rng(seed)
    target = np.arange(30) % 3
    z = random.normal(size=(30, 6)) + np.eye(3, 6)[target]
    return z if signed else np.maximum(z, 0), target


@pytest.mark.parametrize("signed", [False, True])
def test_alignment_and_squared_error_are_those_by_which_modules_are_trained(signed):
    import torch

    z, target = example(signed)
    k = pair_kernels.kernel(torch.from_numpy(z))
    same = torch.from_numpy(np.equal.outer(target, target))
    pairs = pair_kernels.upper(30, torch.device("cpu"))
    low = -1.0 if signed else 0.0
    scores = kernel_scores(z, target)
    for name, value in (("al", scores.alignment), ("nmse", scores.nmse)):
        expected = float(pair_kernels.PROXIES[name](k, same, pairs, low, 1.0))
        assert value == pytest.approx(expected, abs=1e-12)


def test_centred_alignment_is_cka_of_unit_features_and_labels():
    z, target = example(signed=True)
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    expected = cka(unit, np.eye(3)[target])
    assert kernel_scores(z, target).centred_alignment == pytest.approx(expected, abs=1e-12)


def test_ideal_features_have_alignment_1_and_no_error():
    target = np.arange(12) % 3
    scores = kernel_scores(2.0 * np.eye(3)[target], target)
    assert scores == pytest.approx((1, 1, 0), abs=1e-12)


def test_constant_features_have_the_root_of_the_share_of_pairs_of_one_class():
    target = np.arange(12) % 3
    scores = kernel_scores(np.ones((12, 4)), target)
    assert scores.alignment == pytest.approx(np.sqrt(3 / 11), abs=1e-12)
    assert np.isnan(scores.centred_alignment)


def test_features_of_0_have_no_direction():
    k = cosines(np.array([[0.0, 0.0], [3.0, 4.0], [1e-200, 0.0]]))
    np.testing.assert_allclose(k, [[0, 0, 0], [0, 1, 0.6], [0, 0.6, 1]])
