import pytest
import torch

from jtdiag.engine.optimisers.sgd import SGD

SETTINGS = [
    {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0},
    {"momentum": 0.9, "nesterov": False, "weight_decay": 0.0},
    {"momentum": 0.9, "nesterov": True, "weight_decay": 0.0},
    {"momentum": 0.0, "nesterov": False, "weight_decay": 0.05},
    {"momentum": 0.5, "nesterov": True, "weight_decay": 0.05},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_lanes_with_their_own_rates_move_as_torchs_sgd_moves_them(stacked, settings):
    found, _ = stacked.moved(SGD(**settings))
    expected = stacked.moved_alone(lambda own, lr: torch.optim.SGD(own, lr=lr, **settings))
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-14)


def test_in_single_precision_too(stacked):
    settings = {"momentum": 0.9, "nesterov": True, "weight_decay": 0.05}
    found, _ = stacked.moved(SGD(**settings), torch.float32, count=5)
    expected = stacked.moved_alone(
        lambda own, lr: torch.optim.SGD(own, lr=lr, **settings), torch.float32, count=5
    )
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_one_step_is_what_it_is_on_paper():
    sgd = SGD(momentum=0.5, nesterov=True, weight_decay=0.1)
    weights = {"w": torch.tensor([[2.0]]).double()}
    state = {"velocity/w": torch.tensor([[4.0]]).double()}
    lr = torch.tensor([0.1], dtype=torch.float64)
    sgd.step(weights, state, {"w": torch.tensor([[1.0]]).double()}, lr)
    gradient = 1 + 0.1 * 2
    velocity = 0.5 * 4 + gradient
    assert state["velocity/w"].item() == pytest.approx(velocity, rel=1e-15)
    assert weights["w"].item() == pytest.approx(2 - 0.1 * (gradient + 0.5 * velocity), rel=1e-15)


def test_velocities_start_at_zero_and_bear_the_names_of_their_weights(stacked):
    weights = stacked.begin()
    state = SGD(momentum=0.9, nesterov=True, weight_decay=0.1).start(weights)
    assert list(state) == [f"velocity/{name}" for name in weights]
    assert not any(tensor.any() for tensor in state.values())
