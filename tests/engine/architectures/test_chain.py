"""Chains: the stack, its options and its data."""

import numpy as np
import pytest
import torch

from jtdiag.engine import architectures
from jtdiag.engine.architectures.chain_stack import Chain
from jtdiag.errors import RecipeError
from jtdiag.recipe.recipe import Members


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def strengths(weights):
    """Product of the weights of each member, (M,)."""
    return torch.stack([w.reshape(-1) for w in weights.values()]).prod(0).numpy()


def chains(depth, count=4, **fields):
    return Members(arch="chain", count=count, depth=depth, **fields)


# --- the stack -----------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_a_chain_multiplies_its_input_by_its_strength(depth):
    stack = Chain(3, depth, 0.5)
    assert list(stack.parameters) == [f"layer{i + 1}.weight" for i in range(depth)]
    state = {
        name: torch.randn(2, 3, 1, 1, generator=generator(i), dtype=torch.float64)
        for i, name in enumerate(stack.parameters)
    }
    x = torch.randn(2, 7, 1, generator=generator(9), dtype=torch.float64)
    product = np.prod([w[..., 0, 0].numpy() for w in state.values()], axis=0)
    expected = product[:, :, None, None] * x.numpy().transpose(0, 2, 1)[:, None]
    for execution in stack.executions:
        stack.execution = execution
        outputs = stack(state, x)
        assert outputs.shape == (2, 3, 1, 7)
        np.testing.assert_allclose(outputs, expected, rtol=1e-14)


@pytest.mark.parametrize("depth", [1, 4])
def test_members_start_balanced_with_the_given_strength(depth):
    members = chains(depth, options={"strength": 0.3})
    weights = architectures.build(members, (1,), 1).initial(generator())
    np.testing.assert_allclose(strengths(weights), 0.3, rtol=1e-14)
    assert {round(float(w), 12) for layer in weights.values() for w in layer.flatten()} == {
        round(0.3 ** (1 / depth), 12)
    }


def test_a_strength_of_zero_is_one_line():
    with pytest.raises(RecipeError, match=r"^members\.options\.strength is 0; it must be greater"):
        chains(2, options={"strength": 0})


def test_a_chain_needs_a_depth():
    with pytest.raises(RecipeError, match=r"members\.depth is missing"):
        Members(arch="chain", count=2)


@pytest.mark.parametrize(("shape", "outputs"), [((2,), 1), ((1, 8, 8), 10), ((1,), 2)])
def test_data_with_more_than_one_input_or_output_are_one_line(shape, outputs):
    with pytest.raises(RecipeError, match=r"one input and one output, but an example .* use inpu"):
        architectures.build(chains(2), shape, outputs)
