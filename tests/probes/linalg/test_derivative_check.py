import numpy as np
import pytest
import torch

from jtdiag_probes.linalg.curvature_products import Tangents
from jtdiag_probes.linalg.derivative_check import TOLERANCE, disagreement

POINT = torch.linspace(-1, 1, 7, dtype=torch.float64)
ALONG = torch.linspace(0.3, -2, 7, dtype=torch.float64)


def cubes(point):
    return point**3


def test_a_right_product_agrees_and_a_wrong_one_differs_by_its_error():
    right = 3 * POINT**2 * ALONG
    assert disagreement(cubes, POINT, ALONG, right) < 1e-6
    assert disagreement(cubes, POINT, ALONG, 1.2 * right) == pytest.approx(0.2, rel=1e-4)
    assert disagreement(cubes, POINT, ALONG, right * torch.nan) == np.inf


def test_a_function_without_change_agrees_with_a_product_of_zero_only():
    def constant(point):
        return torch.ones(3, dtype=torch.float64) + 0 * point.sum()

    assert disagreement(constant, POINT, ALONG, torch.zeros(3, dtype=torch.float64)) == 0
    assert disagreement(constant, POINT, ALONG, torch.ones(3, dtype=torch.float64)) == np.inf


def test_a_function_that_is_not_finite_cannot_be_checked():
    assert np.isnan(disagreement(lambda point: point / 0, POINT, ALONG, ALONG))


def test_a_kink_within_a_long_step_is_forgiven():
    point = torch.tensor([3e-6, 1.0], dtype=torch.float64)
    along = torch.tensor([-1.0, 0.5], dtype=torch.float64)
    assert disagreement(torch.relu, point, along, along) < TOLERANCE


def test_other_weights_give_the_same_function_there():
    weights = {"a": torch.ones(2, 3, dtype=torch.float64), "b": torch.zeros(2, 1).double()}
    tangents = Tangents(lambda w: (w["a"] ** 2 + w["b"]).unsqueeze(1), weights)
    assert tangents.point.tolist() == [1, 1, 1, 0, 1, 1, 1, 0]
    moved = tangents.moved(tangents.point + 1)
    np.testing.assert_allclose(moved.outputs.detach(), np.full((2, 1, 3), 5.0))
