"""What every optimiser must keep."""

import subprocess
import sys

import pytest
import torch

from jtdiag.engine import optimisers
from jtdiag.engine.optimisers.clipping import Clipped
from jtdiag.engine.optimisers.sgd import SGD
from jtdiag.recipe.recipe import Train

TRAINS = {
    "sgd": Train(optimiser="sgd", momentum=0.9, nesterov=True, weight_decay=0.05),
    "adamw": Train(optimiser="adamw", weight_decay=0.05),
    "second order": Train(optimiser="soap", weight_decay=0.05),
    "clipped": Train(optimiser="adamw", weight_decay=0.05, clip=0.5),
}


@pytest.fixture(params=TRAINS.values(), ids=TRAINS)
def optimiser(request):
    return optimisers.build(request.param)


def same(found, expected, at):
    assert found.keys() == expected.keys()
    return all(torch.equal(found[name][at], expected[name][at]) for name in found)


@pytest.mark.slow
def test_a_lane_that_is_stored_and_put_back_goes_on_bit_by_bit(stacked, optimiser):
    through, _ = stacked.moved(optimiser, torch.float32, count=26)
    weights, state = stacked.moved(optimiser, torch.float32, count=13)
    stored = [
        {name: tensor[lane].cpu().numpy().copy() for name, tensor in (weights | state).items()}
        for lane in range(2)
    ]
    again = stacked.begin(torch.float32)
    fresh = optimiser.start(again)
    for tensors in (again, fresh):
        for name, tensor in tensors.items():
            for lane in range(2):
                tensor[lane] = torch.from_numpy(stored[lane][name])
    for step in range(13, 26):
        gradients = stacked.pulls(step, torch.float32)
        optimiser.step(again, fresh, gradients, torch.tensor(stacked.lr))
    assert same(again, through, at=slice(None))


def test_what_is_remembered_has_the_lane_first_and_a_name_of_its_own(stacked, optimiser):
    weights = stacked.begin()
    state = optimiser.start(weights)
    assert state
    assert all(len(tensor) == 2 for tensor in state.values())
    assert not state.keys() & weights.keys()


@pytest.mark.slow
def test_a_lane_does_not_feel_another_lanes_rate(stacked, optimiser):
    found, _ = stacked.moved(optimiser)
    other, _ = stacked.moved(optimiser, lr=(stacked.lr[0], 0.9))
    assert same(found, other, at=0)
    assert not same(found, other, at=1)


@pytest.mark.slow
def test_a_member_does_not_feel_another_members_gradient(stacked, optimiser):
    found = []
    for change in (0.0, 1.0):
        weights = stacked.begin()
        state = optimiser.start(weights)
        for step in range(12):
            gradients = stacked.pulls(step)
            for gradient in gradients.values():
                gradient[1, 2] += change
            optimiser.step(weights, state, gradients, torch.tensor(stacked.lr).double())
        found.append(weights)
    for lane, member in ((0, 0), (0, 2), (1, 0), (1, 1)):
        assert same(*found, at=(lane, member))
    assert not same(*found, at=(1, 2))


def test_gradients_stay_as_they_are_and_weights_stay_themselves(stacked, optimiser):
    weights = {name: weight.requires_grad_() for name, weight in stacked.begin().items()}
    state = optimiser.start(weights)
    given = stacked.pulls(0)
    copies = {name: gradient.clone() for name, gradient in given.items()}
    for _ in range(3):
        optimiser.step(weights, state, given, torch.tensor(stacked.lr).double())
    assert same(given, copies, at=slice(None))
    assert all(weight.is_leaf and weight.requires_grad for weight in weights.values())
    assert not any(tensor.requires_grad for tensor in state.values())


@pytest.mark.slow
def test_nothing_is_read_back_from_the_device(stacked, optimiser):
    """Tensors without numbers raise an error when somebody asks for their numbers."""
    weights = {name: weight.to("meta") for name, weight in stacked.begin().items()}
    state = optimiser.start(weights)
    for _ in range(12):
        optimiser.step(weights, state, weights, torch.ones(2, dtype=torch.float64, device="meta"))


@pytest.mark.slow
def test_torchs_own_random_numbers_are_not_touched(stacked, optimiser):
    before = torch.get_rng_state()
    stacked.moved(optimiser)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.slow
def test_only_the_second_order_method_loads_its_library():
    code = (
        "import sys, torch\n"
        "from jtdiag.engine import optimisers\n"
        "from jtdiag.recipe.recipe import Train\n"
        "weights = {'w': torch.zeros(1, 1, 2, 2)}\n"
        "for name in ('sgd', 'adamw', 'soap'):\n"
        "    optimisers.build(Train(optimiser=name, clip=1.0)).start(weights)\n"
        "    print(name, 'pytorch_optimizer' in sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert ran.stdout == "sgd False\nadamw False\nsoap True\n", ran.stderr


def test_a_recipe_without_clipping_leaves_gradients_as_they_are():
    plain = optimisers.build(Train(optimiser="sgd", clip=0.0))
    clipped = optimisers.build(Train(optimiser="sgd", clip=0.1))
    assert isinstance(plain, SGD)
    assert clipped == Clipped(plain, max_norm=0.1)
