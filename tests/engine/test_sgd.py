import pytest
import torch

from jtdiag.engine.sgd import SGD

SETTINGS = [
    {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0},
    {"momentum": 0.9, "nesterov": False, "weight_decay": 0.0},
    {"momentum": 0.9, "nesterov": True, "weight_decay": 0.0},
    {"momentum": 0.0, "nesterov": False, "weight_decay": 0.05},
    {"momentum": 0.5, "nesterov": True, "weight_decay": 0.05},
]
LR = (0.3, 0.07)


def start(dtype):
    generator = torch.Generator().manual_seed(0)
    return {
        "weight": torch.randn(2, 3, 4, generator=generator, dtype=dtype),
        "bias": torch.randn(2, 3, generator=generator, dtype=dtype),
    }


def gradients(weights):
    """Not the same in any two places, nor in any two steps."""
    return {name: torch.sin(weight.detach()) - 0.3 for name, weight in weights.items()}


def steps(settings, dtype, count=20):
    sgd, weights = SGD(**settings), start(dtype)
    velocities = sgd.start(weights)
    for _ in range(count):
        sgd.step(weights, velocities, gradients(weights), torch.tensor(LR, dtype=dtype))
    return weights


def torchs(settings, dtype, count=20):
    """The same with torch.optim.SGD, one optimiser for each lane."""
    whole = start(dtype)
    for lane, lr in enumerate(LR):
        mine = {name: tensor[lane].clone().requires_grad_() for name, tensor in whole.items()}
        optimizer = torch.optim.SGD(mine.values(), lr=lr, **settings)
        for _ in range(count):
            for name, gradient in gradients(mine).items():
                mine[name].grad = gradient
            optimizer.step()
        for name, tensor in mine.items():
            whole[name][lane] = tensor.detach()
    return whole


@pytest.mark.parametrize("settings", SETTINGS)
def test_two_lanes_with_their_own_rates_move_as_torchs_sgd_moves_them(settings):
    found, expected = steps(settings, torch.float64), torchs(settings, torch.float64)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-13, atol=1e-15)


def test_in_single_precision_too():
    settings = {"momentum": 0.9, "nesterov": True, "weight_decay": 0.05}
    found, expected = steps(settings, torch.float32), torchs(settings, torch.float32)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-5, atol=1e-6)


def test_one_step_is_what_it_is_on_paper():
    sgd = SGD(momentum=0.5, nesterov=True, weight_decay=0.1)
    weights = {"w": torch.tensor([[2.0]]).double()}
    velocities = {"w": torch.tensor([[4.0]]).double()}
    lr = torch.tensor([0.1], dtype=torch.float64)
    sgd.step(weights, velocities, {"w": torch.tensor([[1.0]]).double()}, lr)
    gradient = 1 + 0.1 * 2
    velocity = 0.5 * 4 + gradient
    assert velocities["w"].item() == pytest.approx(velocity, rel=1e-15)
    assert weights["w"].item() == pytest.approx(2 - 0.1 * (gradient + 0.5 * velocity), rel=1e-15)


def test_velocities_start_at_zero_and_gradients_are_not_changed():
    sgd, weights = SGD(momentum=0.9, nesterov=True, weight_decay=0.1), start(torch.float64)
    velocities = sgd.start(weights)
    assert all((velocity == 0).all() for velocity in velocities.values())
    given = gradients(weights)
    before = {name: gradient.clone() for name, gradient in given.items()}
    sgd.step(weights, velocities, given, torch.tensor(LR, dtype=torch.float64))
    assert all(torch.equal(given[name], before[name]) for name in given)
