import numpy as np
import pytest

from jtdiag_probes.robustness.faults import (
    DRAWN,
    FACTORS,
    FAULTS,
    NOISE,
    FaultCurves,
    counts_of_faulty,
    running_sums,
    spread,
    with_noise,
)
from jtdiag_probes.robustness.removal import SharedSubsets, random_orders

M, N, K = 5, 60, 4


def make(seed=0):
    random = np.random.default_rng(seed)
    target = random.integers(0, K, N)
    return 1.5 * np.eye(K)[target] + random.standard_normal((M, N, K)), target


def accuracy(logits, target):
    return (logits.sum(0).argmax(-1) == target).mean()


def curves(orders, logits, target, counts=None, step=N, frozen=None):
    counts = np.arange(M + 1) if counts is None else counts
    frozen = logits[:, 0] if frozen is None else frozen
    fault_curves = FaultCurves(orders, counts, frozen, np.random.default_rng(5))
    for start in range(0, N, step):
        fault_curves.add(logits[:, start : start + step], target[start : start + step])
    return dict(zip(FAULTS, fault_curves.accuracy, strict=True))


@pytest.fixture
def orders():
    return random_orders(np.random.default_rng(1), 7, M)


def test_each_faults_accuracy_is_that_of_logits_with_the_fault(orders):
    logits, target = make()
    accuracies = curves(orders, logits, target)
    noise = np.random.default_rng(5).standard_normal((N, M, K), np.float32).transpose(1, 0, 2)
    wrong = dict(zip(DRAWN, with_noise(logits, noise, logits[:, 0]), strict=True))
    wrong |= {name: factor * logits for name, factor in FACTORS.items()}
    for fault in FAULTS:
        for repeat, order in enumerate(orders):
            for faulty in range(M + 1):
                bad = order[M - faulty :]
                mixed = logits.copy()
                mixed[bad] = wrong[fault][bad]
                assert accuracies[fault][repeat, faulty] == accuracy(mixed, target), (fault, faulty)


def test_members_with_zero_logits_are_equivalent_to_missing_members(orders):
    logits, target = make()
    removed = SharedSubsets(orders, loss=False)
    removed.add(logits, target)
    zero = curves(orders, logits, target)["zero"]
    np.testing.assert_array_equal(zero[:, :-1], removed.accuracy[:, ::-1])


def test_without_faulty_members_all_faults_are_alike(orders):
    logits, target = make()
    for by_repeat in curves(orders, logits, target).values():
        assert (by_repeat[:, 0] == accuracy(logits, target)).all()


def test_scaling_all_members_changes_nothing(orders):
    logits, target = make()
    assert (curves(orders, logits, target)["scaled"][:, -1] == accuracy(logits, target)).all()


def test_with_all_members_stuck_all_predictions_are_the_same(orders):
    logits, target = make()
    answer = logits[:, 0].sum(0).argmax()
    assert (curves(orders, logits, target)["stuck"][:, -1] == (target == answer).mean()).all()


def test_with_all_logits_zero_the_prediction_is_class_0(orders):
    logits, target = make()
    assert (curves(orders, logits, target)["zero"][:, -1] == (target == 0).mean()).all()


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 13])
def test_faults_do_not_depend_on_the_block_size(orders, step):
    logits, target = make()
    frozen = logits[:, 3]
    whole = curves(orders, logits, target, frozen=frozen)
    cut = curves(orders, logits, target, step=step, frozen=frozen)
    for fault in FAULTS:
        np.testing.assert_array_equal(whole[fault], cut[fault])


def test_some_numbers_of_faulty_members_are_those_of_all(orders):
    logits, target = make()
    every, some = (
        curves(orders, logits, target),
        curves(orders, logits, target, np.array([0, 2, 5])),
    )
    for fault in FAULTS:
        np.testing.assert_array_equal(some[fault], every[fault][:, [0, 2, 5]])


def test_a_diverged_member_with_zeroed_logits_does_not_affect_the_others():
    logits, target = make()
    logits[4] = np.nan
    with np.errstate(invalid="ignore"):
        by_count = curves(np.arange(M)[None], logits, target)["zero"][0]
    assert by_count[0] == 0
    assert by_count[1] == accuracy(logits[:4], target)


def test_noise_is_as_strong_as_the_spread_of_the_members_logits():
    logits = (
        np.random.default_rng(0).standard_normal((2, 4000, 10)) * np.array([1, 7])[:, None, None]
    )
    noise = np.random.default_rng(1).standard_normal(logits.shape)
    _, drawn, noisy = with_noise(logits, noise, logits[:, 0])
    for of in (drawn, noisy - logits):
        ratio = of / spread(logits)
        np.testing.assert_allclose(ratio.std((1, 2)), NOISE, rtol=0.02)


def test_counts_run_from_none_to_all_and_include_one():
    assert counts_of_faulty(3).tolist() == [0, 1, 2, 3]
    many = counts_of_faulty(256)
    assert many[:3].tolist() == [0, 1, 16]
    assert (many[-1], len(many)) == (256, 18)


def test_running_sums_stop_at_the_requested_counts():
    values = np.arange(12.0).reshape(4, 1, 3)
    sums = [s.copy() for s in running_sums(values, [3, 0, 2, 1], [0, 2, 4])]
    np.testing.assert_array_equal(sums[1], values[3] + values[0])
    np.testing.assert_array_equal(sums[2], values.sum(0))
    assert not sums[0].any()
