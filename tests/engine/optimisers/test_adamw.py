import math

import pytest
import torch

from jtdiag.engine.optimisers import adamw as adamw_module
from jtdiag.engine.optimisers.adamw import AdamW


@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_lanes_with_their_own_rates_move_as_torchs_adamw_moves_them(stacked, decay):
    found, _ = stacked.moved(AdamW(weight_decay=decay))
    expected = stacked.moved_alone(
        lambda own, lr: torch.optim.AdamW(own, lr=lr, weight_decay=decay)
    )
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)


def test_in_single_precision_too(stacked):
    found, _ = stacked.moved(AdamW(weight_decay=0.05), torch.float32, count=5)
    expected = stacked.moved_alone(
        lambda own, lr: torch.optim.AdamW(own, lr=lr, weight_decay=0.05), torch.float32, count=5
    )
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_weights_that_are_updated_together_move_as_each_by_itself(stacked, monkeypatch):
    together, _ = stacked.moved(AdamW(weight_decay=0.05))
    monkeypatch.setattr(adamw_module, "SMALL", 0)
    alone, _ = stacked.moved(AdamW(weight_decay=0.05))
    torch.testing.assert_close(together, alone, rtol=0, atol=0)


def test_the_first_step_has_the_length_of_the_learning_rate_and_the_sign_of_the_gradient(stacked):
    adamw, weights = AdamW(weight_decay=0.0), stacked.begin()
    before = {name: weight.clone() for name, weight in weights.items()}
    gradients = stacked.pulls(0)
    lr_L = torch.tensor(stacked.lr, dtype=torch.float64)
    adamw.step(weights, adamw.start(weights), gradients, lr_L)
    for name, weight in weights.items():
        for lane, lr in enumerate(stacked.lr):
            step = weight[lane] - before[name][lane]
            expected = -lr * gradients[name][lane].sign()
            torch.testing.assert_close(step, expected, rtol=1e-3, atol=0)


def test_lanes_that_have_taken_different_numbers_of_steps_go_on_as_themselves():
    adamw, weights = AdamW(weight_decay=0.0), {"w": torch.zeros(2, 1, dtype=torch.float64)}
    state = {
        "steps": torch.tensor([0, 9]),
        "mean/w": torch.tensor([[0.0], [2.0]], dtype=torch.float64),
        "square/w": torch.tensor([[0.0], [3.0]], dtype=torch.float64),
    }
    gradients = {"w": torch.ones(2, 1, dtype=torch.float64)}
    adamw.step(weights, state, gradients, torch.tensor([1.0, 1.0], dtype=torch.float64))
    mean = (0.9 * 2 + 0.1) / (1 - 0.9**10)
    size = math.sqrt((0.999 * 3 + 0.001) / (1 - 0.999**10)) + 1e-8
    assert state["steps"].tolist() == [1, 10]
    assert weights["w"].flatten().tolist() == pytest.approx([-1, -mean / size], rel=1e-7)
