"""Parts that are learned beside the members."""

import pytest
import torch
from torch.nn import functional

from jtdiag.engine.modules.auxiliary_parts import Decoders

SHAPES = {"decoder.weight": (2, 3, 12, 5), "decoder.bias": (2, 3, 12)}


def parameters(dtype):
    torch.manual_seed(0)
    return {n: torch.randn(s, dtype=dtype).requires_grad_() for n, s in SHAPES.items()}


@pytest.mark.parametrize(("dtype", "exact"), [(torch.float64, 1e-13), (torch.float32, 1e-4)])
def test_gradients_of_decoders_of_vectors_are_those_of_autograd(dtype, exact):
    state, decoders = parameters(dtype), Decoders("decoder", (5,), (3, 4))
    # As the engine's features are: examples are the last axis in memory.
    h = torch.randn(2, 3, 5, 7, dtype=dtype).mT.requires_grad_()
    seen = []

    def by_logits(logits):
        seen.append(logits)
        return logits.sin()

    found = decoders.roots(state, h, by_logits)
    logits = torch.stack(
        [
            torch.stack(
                [
                    functional.linear(h[i, j], w, b)
                    for j, (w, b) in enumerate(zip(*own, strict=True))
                ]
            )
            for i, own in enumerate(zip(*state.values(), strict=True))
        ]
    )
    torch.testing.assert_close(seen[0], logits.detach(), atol=exact, rtol=0)
    tensors = [*state.values(), h]
    expected = torch.autograd.grad(logits, tensors, logits.detach().sin())
    for (tensor, own), like, by_autograd in zip(found, tensors, expected, strict=True):
        assert tensor is like
        torch.testing.assert_close(own, by_autograd, atol=exact, rtol=0)


def test_features_that_need_no_gradient_get_none():
    state, h = parameters(torch.float64), torch.randn(2, 3, 7, 5, dtype=torch.float64)
    roots = Decoders("decoder", (5,), (3, 4)).roots(state, h, torch.sin)
    assert [id(tensor) for tensor, _ in roots] == [id(own) for own in state.values()]
