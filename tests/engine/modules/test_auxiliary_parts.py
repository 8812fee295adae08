"""Parts that are learned beside the members."""

import pytest
import torch
from torch.nn import functional

from jtdiag.engine.modules.auxiliary_parts import Decoders


@pytest.mark.parametrize(("dtype", "exact"), [(torch.float64, 1e-13), (torch.float32, 1e-4)])
def test_decoders_of_vectors_are_linear_layers_of_torch(dtype, exact):
    torch.manual_seed(0)
    weight, bias = torch.randn(2, 3, 12, 5, dtype=dtype), torch.randn(2, 3, 12, dtype=dtype)
    # As the engine's features are: examples are the last axis in memory.
    h = torch.randn(2, 3, 5, 7, dtype=dtype).mT
    given = [tensor.requires_grad_() for tensor in (weight, bias, h)]
    decoders = Decoders("decoder", (5,), (3, 4))
    found = decoders({"decoder.weight": weight, "decoder.bias": bias}, h)
    expected = torch.stack(
        [
            torch.stack([functional.linear(h[i, j], weight[i, j], bias[i, j]) for j in range(3)])
            for i in range(2)
        ]
    )
    torch.testing.assert_close(found, expected, atol=exact, rtol=0)
    by_logits = torch.randn(2, 3, 7, 12, dtype=dtype)
    gradients = torch.autograd.grad(found, given, by_logits)
    for own, by_torch in zip(
        gradients, torch.autograd.grad(expected, given, by_logits), strict=True
    ):
        torch.testing.assert_close(own, by_torch, atol=exact, rtol=0)


def test_decoders_learn_from_features_that_need_no_gradient():
    weight, bias = torch.randn(1, 1, 4, 3).requires_grad_(), torch.randn(1, 1, 4).requires_grad_()
    logits = Decoders("d", (3,), (4,))(
        {"d.weight": weight, "d.bias": bias}, torch.randn(1, 1, 2, 3)
    )
    logits.sum().backward()
    assert weight.grad is not None
