import numpy as np
import pytest
import torch
from torch.nn import functional

from jtdiag import names
from jtdiag.engine import loss
from jtdiag.engine.running_means import RunningMeans

L, M, K = 2, 3, 4


def batches(dtype, sizes=(5, 5, 2)):
    generator = torch.Generator().manual_seed(0)
    for size in sizes:
        logits = torch.randn(L, M, K, size, generator=generator, dtype=dtype)
        yield logits, torch.randint(K, (L, size), generator=generator)


def counted(dtype):
    tally = RunningMeans(L, M, torch.device("cpu"))
    for logits, target in batches(dtype):
        tally.add(logits, target, loss.losses(logits, target))
    return tally.means()


def one_by_one(dtype):
    """The same means, example by example."""
    found = {
        names.MEMBER_LOSS: np.zeros((L, M)),
        names.MEMBER_ERROR: np.zeros((L, M)),
        names.ENSEMBLE_LOSS: np.zeros(L),
        names.ENSEMBLE_ERROR: np.zeros(L),
    }
    examples = 0
    for logits, target in batches(dtype):
        examples += target.shape[1]
        for lane, n in np.ndindex(L, target.shape[1]):
            own, mean = target[lane, n], logits[lane, :, :, n].mean(0)
            found[names.ENSEMBLE_LOSS][lane] += float(functional.cross_entropy(mean, own))
            found[names.ENSEMBLE_ERROR][lane] += int(mean.argmax() != own)
            for member in range(M):
                eta = logits[lane, member, :, n]
                found[names.MEMBER_LOSS][lane, member] += float(functional.cross_entropy(eta, own))
                found[names.MEMBER_ERROR][lane, member] += int(eta.argmax() != own)
    return {name: total / examples for name, total in found.items()}


def test_every_example_counts_the_same_in_a_short_last_batch_too():
    expected = one_by_one(torch.float64)
    found = counted(torch.float64)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name].dtype == np.float64
        np.testing.assert_allclose(found[name], values, rtol=1e-13, atol=0)


def test_single_precision_is_summed_in_double():
    expected, found = one_by_one(torch.float32), counted(torch.float32)
    for name, values in expected.items():
        assert found[name].dtype == np.float64
        np.testing.assert_allclose(found[name], values, rtol=1e-6, atol=0)


@pytest.mark.slow
def test_many_small_numbers_do_not_drown_beside_a_large_one():
    tally = RunningMeans(1, 1, torch.device("cpu"))
    one = loss.StepLosses(members=torch.full((1, 1, 1), 0.1), ensemble=torch.full((1, 1), 0.1))
    big = loss.StepLosses(members=torch.full((1, 1, 1), 3e6), ensemble=torch.full((1, 1), 3e6))
    logits, target = torch.zeros(1, 1, 2, 1), torch.zeros(1, 1, dtype=torch.int64)
    tally.add(logits, target, big)
    for _ in range(1000):
        tally.add(logits, target, one)
    expected = (3e6 + 1000 * float(torch.tensor(0.1))) / 1001
    np.testing.assert_allclose(tally.means()[names.MEMBER_LOSS], [[expected]], rtol=1e-12)
