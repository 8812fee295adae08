"""Proxies of a module against closed forms, loops and the theorem that they come from."""

import math

import numpy as np
import pytest
import torch
from scipy import optimize

from jtdiag.engine.modules import pair_kernels

GENERATOR = np.random.default_rng(0)


def setting(counts):
    """Labels, where they are the same, and which entries are pairs."""
    target = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    same = target[:, None] == target[None]
    return target, same, pair_kernels.upper(len(target), target.device)


def random_kernel(n, width=5):
    return pair_kernels.kernel(torch.from_numpy(GENERATOR.normal(size=(n, width))).relu())


def test_the_alignment_of_ideal_features_is_1_and_of_constant_ones_the_root_of_p():
    target, same, pairs = setting([4, 4, 4])
    one_hot = torch.nn.functional.one_hot(target).double()
    p = int((same & pairs).sum()) / int(pairs.sum())
    ideal = pair_kernels.alignment(pair_kernels.kernel(one_hot), same, pairs, 0.0, 0)
    constant = pair_kernels.alignment(torch.ones(12, 12).double(), same, pairs, 0.0, 0)
    assert float(ideal) == pytest.approx(1, abs=1e-12)
    assert float(constant) == pytest.approx(math.sqrt(p), abs=1e-12)


def test_ten_classes_of_tanh_features_reach_the_alignment_of_the_simplex_at_most():
    counts = [20] * 10
    target, same, pairs = setting(counts)
    one_hot = torch.nn.functional.one_hot(target).double()
    simplex = pair_kernels.kernel(one_hot - one_hot.mean(1, keepdim=True))
    assert float(simplex[0, -1]) == pytest.approx(-1 / 9, abs=1e-12)
    p = int((same & pairs).sum()) / int(pairs.sum())
    reached = float(pair_kernels.alignment(simplex, same, pairs, -1.0, 0))
    expected = (p + (1 - p) / 9) / math.sqrt(p + (1 - p) / 81)
    assert reached == pytest.approx(expected, abs=1e-12)
    limit = (0.1 + 0.9 / 9) / math.sqrt(0.1 + 0.9 / 81)  # as the number of examples grows
    assert limit == pytest.approx(0.60013, abs=3e-4)


def test_proxies_over_all_pairs_follow_from_those_over_pairs_in_order():
    _, same, pairs = setting([3, 5, 2])
    k, n = random_kernel(10), 10
    every = torch.ones_like(pairs)
    t = pair_kernels.ideal(same, 0.0, k.dtype)
    half_kt, half_k2, half_t2 = ((a * pairs).sum() for a in (k * t, k * k, t * t))
    over_all = (n + 2 * half_kt) / ((n + 2 * half_k2) * (n + 2 * half_t2)).sqrt()
    torch.testing.assert_close(
        pair_kernels.alignment(k, same, every, 0.0, 0), over_all, atol=1e-12, rtol=0
    )
    torch.testing.assert_close(
        pair_kernels.squared_error(k, same, every, 0.0, 0),
        (n - 1) / n * pair_kernels.squared_error(k, same, pairs, 0.0, 0),
        atol=1e-12,
        rtol=0,
    )


def test_every_proxy_is_its_loop_over_pairs():
    _, same, pairs = setting([3, 4, 2])
    k, tau = random_kernel(9), 0.3
    listed = [(i, j) for i in range(9) for j in range(i + 1, 9)]
    alike = [float(k[i, j]) for i, j in listed if same[i, j]]
    others = [float(k[i, j]) for i, j in listed if not same[i, j]]
    every = alike + others
    expected = {
        "al": sum(alike) / math.sqrt(sum(v * v for v in every) * len(alike)),
        "nmse": -(sum((v - 1) ** 2 for v in alike) + sum(v * v for v in others)) / len(every),
        "raw": (sum(alike) - sum(others)) / len(every),
        "neo": -sum(others) / len(others),
        "cts": math.log(sum(math.exp(v / tau) for v in alike))
        - math.log(sum(math.exp(v / tau) for v in every)),
    }
    for name, proxy in pair_kernels.PROXIES.items():
        assert float(proxy(k, same, pairs, 0.0, tau)) == pytest.approx(expected[name], abs=1e-12)


@pytest.mark.parametrize("name", pair_kernels.PROXIES)
def test_a_batch_without_a_pair_of_one_class_has_a_finite_gradient(name):
    _, same, pairs = setting([1, 1, 1])
    features = torch.from_numpy(GENERATOR.normal(size=(3, 4))).abs()
    features[1] = 0  # a dead row
    features.requires_grad_()
    value = pair_kernels.PROXIES[name](pair_kernels.kernel(features), same, pairs, 0.0, 0.2)
    value.backward()
    assert torch.isfinite(features.grad).all()
    if name in ("al", "cts"):
        assert float(features.grad.abs().max()) == 0


@pytest.mark.parametrize(
    ("low", "share", "tau"), [(0.0, 0.5, 0.3), (-1.0, 0.4, 0.2), (0, 0.3, 0.1)]
)
def test_the_objective_on_ideal_features_is_that_of_theorem_1(low, share, tau):
    """min over w, b of the hinge loss + τ‖w‖ on features with the ideal kernel: 2τ/√(2(c − a))."""
    cosine = low
    first, second = np.array([1.0, 0.0]), np.array([cosine, math.sqrt(1 - cosine**2)])

    def objective(parameters):
        w, b = parameters[:2], parameters[2]
        loss = share * max(0, 1 - (w @ first + b)) + (1 - share) * max(0, 1 + (w @ second + b))
        return loss + tau * float(np.linalg.norm(w))

    starts = GENERATOR.normal(size=(20, 3))
    options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 5000}
    least = min(
        optimize.minimize(objective, start, method="Nelder-Mead", options=options).fun
        for start in starts
    )
    assert tau < math.sqrt(2 * (1 - low)) * min(share, 1 - share)
    assert least == pytest.approx(2 * tau / math.sqrt(2 * (1 - low)), abs=3e-4)


def test_labelled_pairs_are_a_fixed_symmetric_choice_of_the_share_asked_for():
    positions = torch.arange(600)
    chosen = pair_kernels.labelled(positions, 0.3, 0)
    assert torch.equal(chosen, chosen.T)
    count = int((chosen & pair_kernels.upper(600, positions.device)).sum())
    pairs = 600 * 599 / 2
    assert abs(count - 0.3 * pairs) < 4 * math.sqrt(pairs * 0.3 * 0.7)
    order = torch.randperm(600, generator=torch.Generator().manual_seed(0))
    again = pair_kernels.labelled(positions[order], 0.3, 0)
    assert torch.equal(again, chosen[order][:, order])
    other = pair_kernels.labelled(positions, 0.3, 1)
    assert 0.15 < float((chosen & other).double().mean()) / float(chosen.double().mean()) < 0.45
    by_row = chosen.double().mean(1)
    assert float(by_row.std()) < 0.03  # no example has labels with many more than others
