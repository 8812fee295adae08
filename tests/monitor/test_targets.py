"""Targets that are left out, soft, or out of range, against torch's cross-entropy."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from jtdiag import DominanceMonitor, Run, families, names
from jtdiag.monitor import targets

M, N, K = 3, 40, 4
DOUBLE = torch.float64


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def logits(outputs=K, seed=0):
    return torch.randn(M, N, outputs, generator=generator(seed), dtype=DOUBLE)


def classes(seed=1):
    return torch.randint(K, (N,), generator=generator(seed))


def probabilities(seed=2):
    return torch.softmax(2 * torch.randn(N, K, generator=generator(seed), dtype=DOUBLE), -1)


def epoch_of(eta, target, **options):
    monitor = DominanceMonitor(every=1, **options)
    for index in torch.arange(len(target)).split(7):
        monitor.update(eta[:, index], target[index])
    monitor.end_epoch()
    return monitor


# --- examples that are left out -------------------------------------------------------------------


@pytest.mark.parametrize("ignore_index", [-100, -1, 2])
@pytest.mark.parametrize("combiner", families.COMBINERS)
def test_ignored_targets_are_left_out_as_cross_entropy_does(ignore_index, combiner):
    eta, target = logits(), classes()
    target[::5] = ignore_index
    options = {"combiner": combiner, "ignore_index": ignore_index}
    monitor = epoch_of(eta, target, **options)
    keep = target != ignore_index
    plain = epoch_of(eta[:, keep], target[keep], combiner=combiner, ignore_index=-7)
    [epoch], [expected] = monitor.epochs, plain.epochs
    assert epoch.examples == expected.examples == int(keep.sum())
    for name in names.METRIC_VARIABLES:
        np.testing.assert_allclose(epoch.means[name], expected.means[name], rtol=1e-12)
    losses = [functional.cross_entropy(m, target, ignore_index=ignore_index) for m in eta]
    np.testing.assert_allclose(epoch.means["member_loss"], losses, rtol=1e-12)
    for field in ("chance_error", "chance_loss", "examples"):
        assert getattr(monitor.history, field) == pytest.approx(getattr(plain.history, field))


def test_a_sample_with_ignored_targets_has_the_standard_errors_of_the_others():
    sampled, plain = DominanceMonitor(every=3), DominanceMonitor(every=3)
    for step in range(60):
        eta, target = logits(seed=step), classes(seed=step)
        target[: step % 7] = -100
        sampled.update(eta, target)
        plain.update(eta[:, target >= 0], target[target >= 0])
    sampled.end_epoch(), plain.end_epoch()
    for name in names.METRIC_VARIABLES:
        np.testing.assert_allclose(
            sampled.epochs[0].standard_errors[name], plain.epochs[0].standard_errors[name]
        )


def test_an_epoch_in_which_all_targets_are_ignored_has_no_metrics(caplog):
    monitor = DominanceMonitor(every=1)
    for target in (torch.full((N,), -100), classes()):
        monitor.update(logits(), target)
        monitor.end_epoch()
    assert [epoch.epoch for epoch in monitor.epochs] == [2]
    assert monitor.history.chance_error == pytest.approx(
        1 - float(torch.bincount(classes()).max()) / N
    )
    assert caplog.messages == [
        "Epoch 1 has no metrics: its sampled batches have no examples, except those with the "
        "target -100, which are left out."
    ]


def test_a_store_holds_no_ignored_examples(tmp_path):
    monitor = DominanceMonitor(lam=1, every=1, store=tmp_path / "run", epochs=1, strict=True)
    target = classes()
    monitor.update(logits(), target)
    target[::4] = -100
    monitor.record("test", logits(seed=3), target)
    monitor.end_epoch()
    keep = target != -100
    run = Run(tmp_path / "run")
    stored = run.metrics()["member_loss"].sel(split="test").values.squeeze()[-1]
    losses = [functional.cross_entropy(member, target) for member in logits(seed=3)]
    np.testing.assert_allclose(stored, losses, rtol=1e-6)
    assert int(keep.sum()) == 30


def test_the_class_156_of_one_byte_is_not_the_ignored_one():
    target = torch.full((N,), 156, dtype=torch.uint8)
    monitor = epoch_of(logits(outputs=200), target)
    assert monitor.epochs[0].examples == N


# --- soft labels ----------------------------------------------------------------------------------


@pytest.mark.parametrize("combiner", families.COMBINERS)
def test_probabilities_as_targets_give_the_loss_of_cross_entropy(combiner):
    eta, target = logits(), probabilities()
    monitor = epoch_of(eta, target, combiner=combiner)
    means = monitor.epochs[0].means
    np.testing.assert_allclose(
        means["member_loss"], [functional.cross_entropy(m, target) for m in eta], rtol=1e-12
    )
    q = torch.softmax(eta.mean(0), -1) if combiner == "logits" else eta.softmax(-1).mean(0)
    assert means["ensemble_loss"] == pytest.approx(float(-(target * q.log()).sum(-1).mean()))
    wrong = [1 - target[range(N), member.argmax(-1)].mean() for member in eta]
    np.testing.assert_allclose(means["member_error"], wrong, rtol=1e-12)
    frequencies = target.mean(0)
    assert monitor.history.chance_error == pytest.approx(1 - float(frequencies.max()))
    entropy = float(-(frequencies * frequencies.log()).sum())
    assert monitor.history.chance_loss == pytest.approx(entropy)


@pytest.mark.parametrize("combiner", families.COMBINERS)
def test_one_hot_probabilities_are_classes(combiner):
    eta, target = logits(), classes()
    eta[:, :3, 2] = -torch.inf  # a class that is masked
    target[:3] = 1
    soft = epoch_of(eta, functional.one_hot(target, K).double(), combiner=combiner)
    hard = epoch_of(eta, target, combiner=combiner)
    for name in names.METRIC_VARIABLES:
        np.testing.assert_allclose(
            soft.epochs[0].means[name], hard.epochs[0].means[name], rtol=1e-12
        )
    assert soft.history.chance_error == pytest.approx(hard.history.chance_error)


def test_a_loop_may_mix_classes_and_probabilities():
    mixed, soft = DominanceMonitor(every=1), DominanceMonitor(every=1)
    one_hot = functional.one_hot(classes(), K).double()
    for monitor, first in ((mixed, classes()), (soft, one_hot)):
        monitor.update(logits(), first)
        monitor.update(logits(seed=5), probabilities())
        monitor.end_epoch()
    for name in names.METRIC_VARIABLES:
        np.testing.assert_allclose(mixed.epochs[0].means[name], soft.epochs[0].means[name])
    assert mixed.history.chance_loss == pytest.approx(soft.history.chance_loss)


def test_a_store_refuses_probabilities(tmp_path):
    monitor = DominanceMonitor(lam=1, store=tmp_path / "run", epochs=1)
    with pytest.raises(ValueError, match="a store needs classes"):
        monitor.record("test", logits(), probabilities())


# --- one output, and targets out of range ---------------------------------------------------------


@pytest.mark.parametrize("shape", [(M, N, 1), (M, N)])
def test_one_logit_is_refused_with_the_family_to_use(shape):
    with pytest.raises(ValueError, match=r'one logit per example, .* family="bernoulli"'):
        DominanceMonitor().update(torch.zeros(shape), torch.zeros(N, dtype=torch.int64))


def test_numbers_of_a_single_output_need_no_axis():
    eta, target = logits(outputs=1), torch.randint(2, (N,), generator=generator())
    means = epoch_of(eta, target, family="bernoulli").epochs[0].means
    losses = [
        functional.binary_cross_entropy_with_logits(member[:, 0], target.double()) for member in eta
    ]
    np.testing.assert_allclose(means["member_loss"], losses, rtol=1e-12)


OUT_OF_RANGE = {
    "a class too many": ("categorical", K, "allowed are classes 0 to 3, or -100"),
    "a negative class": ("categorical", -1, "allowed are classes 0 to 3, or -100"),
    "a probability too large": ("bernoulli", 2.0, "numbers from 0 to 1"),
    "a negative count": ("poisson", -1.0, "finite numbers of 0 or more"),
    "no number": ("gaussian", float("nan"), "finite numbers"),
}


@pytest.mark.parametrize("case", OUT_OF_RANGE.values(), ids=OUT_OF_RANGE)
def test_targets_out_of_range_stop_the_monitor_at_the_end_of_the_epoch(case, caplog):
    family, value, allowed = case
    target = classes() if family == "categorical" else torch.zeros(N, K, dtype=DOUBLE)
    target[3] = value
    monitor = epoch_of(logits(), target, family=family)
    [line] = caplog.messages
    assert "1 of 40 examples sampled in epoch 1 has a target out of range" in line
    assert allowed in line
    assert monitor.epochs == []
    with pytest.raises(ValueError, match="out of range"):
        epoch_of(logits(), target, family=family, strict=True)


def test_probabilities_that_do_not_sum_to_1_are_out_of_range(caplog):
    target = probabilities()
    target[2] *= 2
    target[5, 0], target[5, 1] = -0.5, target[5, 1] + target[5, 0] + 0.5
    epoch_of(logits(), target)
    assert "2 of 40 examples sampled in epoch 1 have targets out of range" in caplog.text


@pytest.mark.parametrize("dims", [1, 2])
def test_what_is_allowed_is_described(dims):
    assert targets.allowed(families.find("categorical"), dims, K, -100) == (
        "classes 0 to 3, or -100 for examples to leave out"
        if dims == 1
        else "class probabilities, which are not negative and sum to 1"
    )
