import math

import pytest
import torch

from jtdiag.engine.optimisers.clipping import Clipped, clip, norms
from jtdiag.engine.optimisers.sgd import SGD

PLAIN = {"momentum": 0.9, "nesterov": False, "weight_decay": 0.05}


def test_a_length_is_taken_over_all_of_a_members_own_gradients(stacked):
    gradients = stacked.pulls(0)
    found = norms(gradients)
    for lane in range(2):
        for member in range(3):
            own = torch.cat([g[lane, member].flatten() for g in gradients.values()])
            assert found[lane, member].item() == pytest.approx(own.norm().item(), rel=1e-14)


@pytest.mark.parametrize("max_norm", [0.5, 4.8, 100.0])
def test_every_member_is_clipped_as_torch_clips_it_alone(stacked, max_norm):
    gradients = stacked.pulls(0)
    found = clip(gradients, max_norm)
    for lane in range(2):
        for member in range(3):
            own = [torch.zeros_like(g[lane, member]) for g in gradients.values()]
            for parameter, g in zip(own, gradients.values(), strict=True):
                parameter.grad = g[lane, member].clone()
            torch.nn.utils.clip_grad_norm_(own, max_norm)
            for parameter, g in zip(own, found.values(), strict=True):
                torch.testing.assert_close(g[lane, member], parameter.grad, rtol=1e-13, atol=0)


def test_only_members_that_are_too_long_are_shortened(stacked):
    gradients = stacked.pulls(0)
    before = norms(gradients)
    max_norm = before.median().item()
    after = norms(clip(gradients, max_norm))
    assert (before > max_norm).any()
    assert (before < max_norm).any()
    torch.testing.assert_close(after, before.clamp(max=max_norm), rtol=1e-6, atol=0)


def test_a_member_that_has_gone_wrong_takes_no_other_with_it(stacked):
    gradients = stacked.pulls(0)
    gradients["bias"][1, 2, 0] = math.inf
    lame = torch.tensor([[False, False, False], [False, False, True]])
    found = clip(gradients, 0.5)
    assert torch.equal(~norms(found).isfinite(), lame)
    torch.testing.assert_close(norms(found)[~lame], torch.full((5,), 0.5).double())


def test_an_optimiser_that_is_shown_clipped_gradients_moves_as_torchs_does(stacked):
    found, state = stacked.moved(Clipped(SGD(**PLAIN), max_norm=0.8))
    expected = stacked.moved_alone(
        lambda own, lr: torch.optim.SGD(own, lr=lr, **PLAIN),
        before=lambda own: torch.nn.utils.clip_grad_norm_(own, 0.8),
    )
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-14)
    assert state.keys() == SGD(**PLAIN).start(found).keys()
