"""Losses of one module against closed forms and loops."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from jtdiag.engine.modules import local_losses

GENERATOR = np.random.default_rng(0)


def random(*shape):
    return torch.from_numpy(GENERATOR.normal(size=shape))


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_the_similarity_of_one_hot_labels_is_a_simplex(classes):
    target = torch.arange(classes).repeat(2)
    one_hot = functional.one_hot(target, classes).double()
    expected = local_losses.similarity(one_hot)
    torch.testing.assert_close(
        local_losses.label_similarity(target, classes, torch.float64), expected, atol=1e-12, rtol=0
    )
    assert expected[0, 1] == pytest.approx(-1 / (classes - 1), abs=1e-12)


def test_the_similarity_loss_is_the_mean_square_over_all_pairs():
    z, target = random(2, 6, 4), torch.tensor([0, 1, 2, 0, 1, 1])
    loss = local_losses.similarity_loss(z, target, 3)
    for lane in range(2):
        total = 0.0
        for i in range(6):
            for j in range(6):
                a, b = (z[lane, k] - z[lane, k].mean() for k in (i, j))
                cosine = float(a @ b / (a.norm() * b.norm()))
                total += (cosine - (1.0 if target[i] == target[j] else -0.5)) ** 2
        assert float(loss[lane]) == pytest.approx(total / 36, abs=1e-12)


def test_a_row_of_zeros_has_a_finite_gradient():
    z = random(5, 4)
    z[2] = 0
    z.requires_grad_()
    local_losses.similarity_loss(z, torch.tensor([0, 1, 0, 1, 0]), 2).backward()
    assert torch.isfinite(z.grad).all()
    assert float(z.grad[2].abs().max()) < 10


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("units_first", [False, True])
def test_the_gradient_of_the_similarity_loss_is_that_of_autograd(dtype, units_first):
    z, target = random(2, 3, 6, 4).to(dtype), torch.tensor([[0, 1, 2, 0, 1, 1], [2, 2, 2, 0, 1, 0]])
    z[0, 1, 2] = 1.5  # centred, a row of zeros
    if units_first:
        z = z.mT.contiguous().mT
    z.requires_grad_()
    loss = local_losses.similarity_loss(z, target[:, None], 3)
    [expected] = torch.autograd.grad(loss.sum(), z)
    labels = local_losses.label_similarity(target[:, None], 3, dtype)
    found = local_losses.similarity_gradient(z.detach(), labels)
    exact = {torch.float64: 1e-12, torch.float32: 1e-6}[dtype]
    torch.testing.assert_close(found, expected, atol=exact, rtol=10 * exact)


def test_the_contrastive_loss_is_its_loop_over_pairs():
    z, target, temperature = random(7, 5), torch.tensor([0, 1, 0, 2, 1, 0, 3]), 0.3
    u = z / z.norm(dim=1, keepdim=True)
    by_example = []
    for i in range(7):
        others = [a for a in range(7) if a != i]
        positives = [p for p in others if target[p] == target[i]]
        if not positives:
            continue
        below = sum(math.exp(float(u[i] @ u[a]) / temperature) for a in others)
        odds = [math.log(math.exp(float(u[i] @ u[p]) / temperature) / below) for p in positives]
        by_example.append(-sum(odds) / len(odds))
    loss = local_losses.contrastive_loss(z, target, temperature)
    assert float(loss) == pytest.approx(np.mean(by_example), abs=1e-12)


def test_a_batch_without_a_pair_of_one_class_has_no_contrastive_loss():
    z = random(3, 4).requires_grad_()
    loss = local_losses.contrastive_loss(z, torch.arange(3), 0.1)
    loss.backward()
    assert float(loss.detach()) == 0
    assert float(z.grad.abs().max()) == 0


def test_the_reconstruction_loss_is_the_cross_entropy_of_torch():
    logits, x = random(2, 3, 6, 5), torch.rand(2, 6, 5, dtype=torch.float64)
    loss = local_losses.reconstruction_loss(logits, x[:, None])
    for lane in range(2):
        for member in range(3):
            expected = functional.binary_cross_entropy_with_logits(logits[lane, member], x[lane])
            assert float(loss[lane, member]) == pytest.approx(float(expected), abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_gradient_of_the_reconstruction_loss_is_that_of_autograd(dtype):
    logits = random(2, 3, 6, 5).to(dtype).requires_grad_()
    x = torch.rand(2, 1, 6, 5, dtype=dtype)
    loss = local_losses.reconstruction_loss(logits, x)
    [expected] = torch.autograd.grad(0.3 * loss.sum(), logits)
    found = local_losses.reconstruction_gradient(logits.detach(), x, 0.3)
    exact = {torch.float64: 1e-15, torch.float32: 1e-8}[dtype]
    torch.testing.assert_close(found, expected, atol=exact, rtol=0)


def test_weights_of_local_modules_are_linear_in_the_module():
    weights = [local_losses.between((2.0, 0.0), i, 5) for i in range(5)]
    assert weights == [2.0, 1.5, 1.0, 0.5, 0.0]
    assert local_losses.between((2.0, 0.0), 0, 1) == 2.0
