import copy
import gc
import warnings
import weakref

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

import jtdiag
from jtdiag import families, names, rules
from jtdiag.alerts.lane_verdicts import LaneVerdict, findings
from jtdiag.engine import loss
from jtdiag.engine.running_means import RunningMeans
from jtdiag.families import combining
from jtdiag.monitor import epoch_sample
from jtdiag.monitor.monitor import DominanceMonitor

M, K = 4, 5


def batches(count=7, size=6, dtype=torch.float64, seed=0, last=4):
    """Logits (M, N, K) and classes; the last batch is smaller."""
    random = torch.Generator().manual_seed(seed)
    for i in range(count):
        n = size if i + 1 < count else last
        logits = 2 * torch.randn(M, n, K, generator=random, dtype=dtype)
        yield logits, torch.randint(K, (n,), generator=random)


def led(seed, leader_error=0.1, size=50):
    """A batch in which member 2 is good and the others guess; the mean follows the leader."""
    random = torch.Generator().manual_seed(seed)
    target = torch.randint(K, (size,), generator=random)
    logits = 0.1 * torch.randn(M, size, K, generator=random)
    wrong = torch.rand(size, generator=random) < leader_error
    said = torch.where(wrong, (target + 1) % K, target)
    logits[2] += 6 * functional.one_hot(said, K)
    return logits, target


def train(monitor, epochs, batch=led, steps=20):
    return [
        found
        for epoch in range(epochs)
        for found in _epoch(monitor, [batch(1000 * epoch + i) for i in range(steps)])
    ]


def _epoch(monitor, steps):
    for logits, target in steps:
        monitor.update(logits, target)
    return monitor.end_epoch()


# --- the numbers ---------------------------------------------------------------------------------


def test_counting_all_gives_what_the_engine_counts():
    tally = RunningMeans(1, M, torch.device("cpu"))
    monitor = DominanceMonitor(every=1)
    for logits, target in batches():
        class_major = logits.transpose(1, 2)[None]
        tally.add(class_major, target[None], loss.losses(class_major, target[None]))
        monitor.update(logits, target)
    monitor.end_epoch()
    [epoch] = monitor.epochs
    for name, values in tally.means().items():
        np.testing.assert_allclose(epoch.means[name], values[0], rtol=1e-12)
        assert not np.any(epoch.standard_errors[name])
    assert (epoch.examples, epoch.counted, epoch.batches) == (40, 7, 7)


def test_scalars_are_the_numbers_of_the_last_epoch():
    monitor = DominanceMonitor(every=1)
    assert monitor.scalars() == {}
    assert monitor.summary().splitlines()[1:] == ["no epoch has ended yet"]
    train(monitor, epochs=3)
    means = monitor.epochs[-1].means
    scalars = {name.removeprefix("jtdiag/"): x for name, x in monitor.scalars().items()}
    members, ensemble = np.mean(means["member_loss"]), float(means["ensemble_loss"])
    assert scalars["diversity"] == pytest.approx(members - ensemble)
    assert scalars["ensemble_error"] == float(means["ensemble_error"])
    assert scalars["member_error"] == np.median(means["member_error"])
    chance = monitor.history.chance_error
    shares = (chance - means["member_error"]) / (chance - means["ensemble_error"])
    assert scalars["leader_share"] == pytest.approx(shares.max())
    assert scalars["median_skill"] == pytest.approx(np.median(shares))
    _, last, *findings = monitor.summary().splitlines()
    assert f"diversity {scalars['diversity']:.4g}" in last
    assert len(findings) == len(monitor.findings) > 0
    assert findings[0] == f"ALERT {monitor.findings[0].sentence}"


@pytest.mark.parametrize("family", families.FAMILIES.names())
@pytest.mark.parametrize("combiner", families.COMBINERS)
def test_the_numbers_of_each_family_are_those_of_all_examples_at_once(family, combiner):
    random = torch.Generator().manual_seed(0)
    known = families.find(family)
    eta = torch.randn(M, 30, K, generator=random, dtype=torch.float64)
    target = {
        "categorical": torch.randint(K, (30,), generator=random),
        "gaussian": torch.randn(30, K, generator=random, dtype=torch.float64),
        "poisson": torch.randint(4, (30, K), generator=random).double(),
        "bernoulli": torch.randint(2, (30, K), generator=random).double(),
    }[family]
    monitor = DominanceMonitor(every=1, family=family, combiner=combiner)
    for at in torch.arange(30).split(7):
        monitor.update(eta[:, at], target[at])
    monitor.end_epoch()
    history = monitor.history
    scale = known.chance(target, K) if known.relative else 1.0
    mean = combining.prediction(known, eta, combiner)
    expected = {
        "member_loss": combining.member_losses(known, eta, target).mean(-1),
        "ensemble_loss": combining.ensemble_loss(known, eta, target, combiner).mean(),
        "member_error": known.error(known.mean(eta), combining.for_members(known, target)).mean(-1)
        / scale,
        "ensemble_error": known.error(mean, target).mean() / scale,
    }
    for name, values in expected.items():
        np.testing.assert_allclose(getattr(history, name)[0], values, rtol=1e-10)
    assert history.chance_error == pytest.approx(known.chance(target, K) / scale)
    assert history.chance_loss == known.chance_loss(target, K)
    assert history.examples == (30 if known.classes else None)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_logits_of_half_precision_are_counted_in_single(dtype):
    monitor, exact = DominanceMonitor(every=1), DominanceMonitor(every=1)
    for logits, target in batches():
        monitor.update(logits.to(dtype), target.int())
        exact.update(logits.to(dtype).double(), target)
    monitor.end_epoch(), exact.end_epoch()
    for name in names.METRIC_VARIABLES:
        found, expected = monitor.epochs[0].means[name], exact.epochs[0].means[name]
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_logits_come_stacked_in_a_list_or_when_they_are_wanted():
    three = [DominanceMonitor(every=1) for _ in range(3)]
    for logits, target in batches():
        three[0].update(logits.requires_grad_(), target)
        three[1].update(list(logits), target)
        three[2].update(lambda logits=logits: logits, target)
    for monitor in three:
        monitor.end_epoch()
    for name in names.METRIC_VARIABLES:
        first, *others = (monitor.epochs[0].means[name] for monitor in three)
        assert all(np.array_equal(first, other) for other in others)


def test_a_function_is_called_for_counted_batches_only():
    asked = []
    monitor = DominanceMonitor(every=5)

    def logits():
        asked.append(None)
        return torch.zeros(M, 3, K)

    for _ in range(2):
        for _ in range(50):
            monitor.update(logits, torch.zeros(3, dtype=torch.int64))
        monitor.end_epoch()
    assert 20 <= len(asked) <= 21  # the very first tells the sizes


def test_losses_alone_give_the_same_losses_and_no_errors():
    monitor, full = DominanceMonitor(every=1), DominanceMonitor(every=1)
    for logits, target in batches():
        full.update(logits, target)
        own = torch.stack([functional.cross_entropy(one, target) for one in logits])
        ensemble = functional.cross_entropy(logits.mean(0), target, reduction="none")
        monitor.update_losses(own, ensemble.mean(), examples=len(target))
    monitor.end_epoch(), full.end_epoch()
    for name in (names.MEMBER_LOSS, names.ENSEMBLE_LOSS):
        found = getattr(monitor.history, name)
        np.testing.assert_allclose(found, getattr(full.history, name), rtol=1e-12)
    assert np.isnan(monitor.history.member_error).all()
    assert monitor.history.chance_loss is None


def test_a_loop_may_give_now_logits_and_now_losses():
    mixed, full = DominanceMonitor(every=1), DominanceMonitor(every=1)
    for i, (logits, target) in enumerate(batches()):
        full.update(logits, target)
        if i % 2:
            mixed.update(logits, target)
        else:
            own = [functional.cross_entropy(one, target, reduction="none") for one in logits]
            together = functional.cross_entropy(logits.mean(0), target, reduction="none")
            mixed.update_losses(torch.stack(own), together)
    mixed.end_epoch(), full.end_epoch()
    np.testing.assert_allclose(mixed.history.member_loss, full.history.member_loss, rtol=1e-12)
    np.testing.assert_allclose(mixed.history.ensemble_loss, full.history.ensemble_loss, rtol=1e-12)


def test_losses_with_errors_give_what_logits_give():
    chance = {"chance_error": 1 - 1 / K, "chance_loss": np.log(K)}
    full, monitor = DominanceMonitor(every=1, **chance), DominanceMonitor(every=1, **chance)
    for seed in range(80):
        logits, target = led(seed)
        full.update(logits, target)
        monitor.update_losses(
            torch.stack([functional.cross_entropy(o, target, reduction="none") for o in logits]),
            functional.cross_entropy(logits.mean(0), target, reduction="none"),
            member_errors=(logits.argmax(-1) != target).float(),
            ensemble_errors=(logits.mean(0).argmax(-1) != target).float(),
        )
        if seed % 20 == 19:
            said = [one.sentence for one in monitor.end_epoch()]
            assert said == [one.sentence for one in full.end_epoch()]
    assert full.findings
    for name in names.METRIC_VARIABLES:
        found = getattr(monitor.history, name)
        np.testing.assert_allclose(found, getattr(full.history, name), rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_a_sample_stands_as_near_to_the_truth_as_it_says():
    apart = []
    for seed in range(12):
        sampled, exact = DominanceMonitor(), DominanceMonitor(every=1)
        for epoch in range(2):
            for step in range(200):
                batch = led(100_000 * seed + 1000 * epoch + step)
                sampled.update(*batch)
                exact.update(*batch)
            sampled.end_epoch(), exact.end_epoch()
        last = sampled.epochs[-1]
        assert last.counted == 50 < last.batches == 200
        off = last.means[names.MEMBER_ERROR] - exact.epochs[-1].means[names.MEMBER_ERROR]
        apart.append(off / last.standard_errors[names.MEMBER_ERROR])
    assert np.sqrt(np.mean(np.square(apart))) == pytest.approx(1, abs=0.35)


# --- what is found -------------------------------------------------------------------------------


def test_one_member_that_carries_the_others_is_found_after_the_third_epoch_and_told_once():
    told = []
    monitor = DominanceMonitor(lam=1.0, every=1, tell=told.append)
    found = train(monitor, 6)
    assert found == monitor.findings == told
    [one] = found
    assert (one.rule, one.level, one.epoch, one.lam) == ("dominance", "alert", 3, 1.0)
    assert one.members == (2,)
    assert one.sentence.startswith("λ = 1: after epoch 3, one member dominates the ensemble")


def test_findings_are_those_of_the_rules_on_the_same_history():
    monitor = DominanceMonitor(every=1)
    found = train(monitor, 5)
    verdicts = rules.first(monitor.history)
    assert found == findings(LaneVerdict(verdict=verdict) for verdict in verdicts)
    assert found
    assert monitor.epochs[-1].note == ""


def test_a_finding_of_a_sample_says_how_much_was_counted():
    monitor = DominanceMonitor()
    [found] = train(monitor, 3, steps=150)
    assert (
        "(Estimated from 50 of 150 batches; largest standard error of a member's error: "
        in found.sentence
    )
    assert found.members == (2,)


@pytest.mark.slow
def test_what_a_sample_leaves_open_is_no_finding():
    def guess(seed):
        random = torch.Generator().manual_seed(seed)
        logits = torch.randn(M, 50, K, generator=random)
        return logits, torch.randint(K, (50,), generator=random)

    # Members and ensemble guess: no skill to share, and a loss above ln K that only scatters.
    assert train(DominanceMonitor(), 6, guess, steps=150) == []
    assert train(DominanceMonitor(every=1), 6, guess, steps=150) == []


def test_chance_level_is_that_of_the_frequencies_of_the_first_epoch():
    monitor = DominanceMonitor(every=1)
    target = torch.tensor([0] * 9 + [1])
    for count in (10, 5):
        monitor.update(torch.zeros(M, count, K), target[:count])
        monitor.end_epoch()
    assert monitor.history.chance_error == pytest.approx(0.1)
    assert monitor.history.chance_loss == pytest.approx(-0.9 * np.log(0.9) - 0.1 * np.log(0.1))
    assert monitor.history.examples == 5


def test_only_the_rules_that_are_wanted_are_asked():
    assert train(DominanceMonitor(every=1, wanted=["divergence"]), 4) == []


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_are_a_finding_and_no_error(bad):
    monitor = DominanceMonitor(every=1)
    logits, target = led(0)
    logits[1, 3, 2] = bad
    monitor.update(logits, target)
    [found] = monitor.end_epoch()
    assert (found.rule, found.members) == ("divergence", (1,))
    error = monitor.epochs[0].means[names.MEMBER_ERROR]
    assert np.isfinite(error).all()


def test_a_sample_with_logits_that_are_no_numbers_warns_of_nothing_else():
    monitor = DominanceMonitor()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            for step in range(200):
                logits, target = led(step)
                monitor.update(logits * float("nan"), target)
            monitor.end_epoch()
    assert [found.rule for found in monitor.findings] == ["divergence"]


def test_lambda_may_change_while_the_loop_runs():
    monitor = DominanceMonitor(lam=0.5, every=1)
    train(monitor, 2)
    monitor.lam = 1.0
    [found] = train(monitor, 1)
    assert found.lam == 1.0
    assert monitor.history.lam.tolist() == [0.5, 0.5, 1.0]
    monitor.lam = None
    train(monitor, 1)
    assert monitor.history.lam is None


# --- parameters ----------------------------------------------------------------------------------


def linear(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, K))


def moved(members, forms):
    """Move member j by j + 1 times a direction; return displacements and the true distances."""
    monitor = DominanceMonitor(every=1)
    monitor.watch_parameters(forms)
    expected = []
    with torch.no_grad():
        for j, member in enumerate(members):
            square = 0.0
            for parameter in member.parameters():
                step = (j + 1) * torch.randn_like(parameter)
                square += float(step.double().square().sum())
                parameter += step
            expected.append(square**0.5)
    return monitor, expected


@pytest.mark.parametrize("form", ["modules", "lists"])
def test_displacement_is_the_distance_of_the_parameters_from_their_start(form):
    members = [linear(j) for j in range(M)]
    given = members if form == "modules" else [list(m.parameters()) for m in members]
    monitor, expected = moved(members, given)
    _epoch(monitor, batches())
    np.testing.assert_allclose(monitor.history.displacement, [expected], rtol=1e-5)


def test_stacked_parameters_move_as_their_members_do():
    stacked, _ = torch.func.stack_module_state([linear(j) for j in range(M)])
    monitor = DominanceMonitor(every=1)
    monitor.watch_parameters(stacked)
    with torch.no_grad():
        for weight in stacked.values():
            weight[1] += 2
            weight[3] -= 1
    _epoch(monitor, batches())
    count = sum(w[0].numel() for w in stacked.values())
    expected = [[0, 2 * count**0.5, 0, count**0.5]]
    np.testing.assert_allclose(monitor.history.displacement, expected, rtol=1e-5)


def test_a_member_that_stands_still_stagnates():
    members = [linear(j) for j in range(M)]
    start = copy.deepcopy(members[3].state_dict())
    monitor, _ = moved(members, members)
    members[3].load_state_dict(start)
    found = train(monitor, 3)
    [stagnation] = [one for one in found if one.rule == "stagnation"]
    assert stagnation.members == (3,)


# --- the device ----------------------------------------------------------------------------------


class Watched(TorchDispatchMode):
    """Refuses what waits for a device: numbers, truth values and shapes read off a tensor."""

    WAITING = ("_local_scalar_dense", "nonzero", "item", "is_nonzero", "equal", "unique")

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        self.seen.append(name)
        assert not name.startswith(self.WAITING), name
        # Boolean masks find their shape on the host, and copies may leave the device.
        if name in ("index", "index_put_"):
            at = [i for i in args[1] if i is not None]
            assert not any(i.dtype in (torch.bool, torch.uint8) for i in at)
        if name == "_to_copy":
            assert "device" not in (kwargs or {}) or kwargs["device"] in (None, args[0].device)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("every", ["auto", 1])
@pytest.mark.parametrize("family", ["categorical", "gaussian"])
def test_nothing_inside_an_epoch_waits_for_the_device(every, family, monkeypatch):
    monkeypatch.setattr(epoch_sample, "HOLD", 10_000)  # so that batches are summed meanwhile
    monitor = DominanceMonitor(every=every, family=family)
    with Watched() as watched:
        for step in range(120):
            logits, target = torch.zeros(M, 50, K), torch.zeros(50, dtype=torch.int64)
            target = target if family == "categorical" else torch.zeros(50, K)
            monitor.update(list(logits) if step % 2 else logits, target)
    assert "logsumexp" in watched.seen or "pow" in watched.seen
    with pytest.raises(AssertionError, match="_local_scalar_dense"), Watched():
        float(torch.zeros(1))


def test_updates_draw_no_random_numbers_and_leave_the_loop_its_gradient():
    state = torch.get_rng_state()
    logits = torch.randn(M, 6, K, generator=torch.Generator().manual_seed(0), requires_grad=True)
    target = torch.zeros(6, dtype=torch.int64)
    monitor = DominanceMonitor()
    monitor.update(logits, target)
    jtdiag.joint_loss(logits, target, 0.5).backward()
    assert logits.grad is not None
    assert torch.equal(state, torch.get_rng_state())


# --- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("logits", "target", "said"),
    [
        ((6, K), (6,), "members first"),
        ((M, 6, K), (5,), "they must be"),
        ((M, 6, K), (6, K), "they must be class probabilities in floating point"),
        ((6, M, K), (6,), r"logits are \(6, 4, 5\) and targets \(6,\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_in_one_line(logits, target, said):
    with pytest.raises(ValueError, match=said) as caught:
        DominanceMonitor().update(torch.zeros(logits), torch.zeros(target, dtype=torch.int64))
    assert "\n" not in str(caught.value)


def test_targets_of_the_wrong_kind_are_refused():
    with pytest.raises(ValueError, match="classes integers"):
        DominanceMonitor().update(torch.zeros(M, 6, K), torch.zeros(6))


def test_members_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"have the shapes \(6, 4\), \(6, 5\)"):
        DominanceMonitor().update(
            [torch.zeros(6, 5), torch.zeros(6, 4)], torch.zeros(6, dtype=torch.int64)
        )
    with pytest.raises(ValueError, match="have the shapes none"):
        DominanceMonitor().update([], torch.zeros(6, dtype=torch.int64))


def test_the_number_of_members_may_not_change():
    monitor = DominanceMonitor(every=1, strict=True)
    target = torch.zeros(6, dtype=torch.int64)
    monitor.update(torch.zeros(M, 6, K), target)
    with pytest.raises(ValueError, match="has 3 members; previous batches had 4"):
        monitor.update(torch.zeros(3, 6, K), target)


def test_an_epoch_without_a_batch_is_a_mistake():
    monitor = DominanceMonitor(every=1, strict=True)
    with pytest.raises(ValueError, match="epoch 1 has no batches"):
        monitor.end_epoch()
    _epoch(monitor, batches())
    with pytest.raises(ValueError, match="epoch 2 has no batches"):
        monitor.end_epoch()
    with pytest.raises(ValueError, match="no epoch has ended yet"):
        _ = DominanceMonitor().history


@pytest.mark.slow
def test_of_an_epoch_cut_short_before_its_first_counted_batch_nothing_is_said():
    monitor = DominanceMonitor()
    train(monitor, 1, steps=3000)
    logits, target = led(0)
    monitor.update(logits, target)
    monitor._sample.counted = 0  # as if the sample began later
    assert monitor.end_epoch() == []
    train(monitor, 1)
    assert [one.epoch for one in monitor.epochs] == [1, 3]


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ({"every": 0}, "every is 0"),
        ({"every": "often"}, "every is 'often'"),
        ({"combiner": "votes"}, "combiner is 'votes'; it must be one of logits"),
        ({"wanted": ["dominanz"]}, "wanted is 'dominanz'"),
    ],
)
def test_arguments_out_of_range_are_refused(argument, said):
    with pytest.raises(ValueError, match=said):
        DominanceMonitor(**argument)


def test_losses_of_the_wrong_shape_are_refused():
    with pytest.raises(ValueError, match="must be"):
        DominanceMonitor().update_losses(torch.zeros(M), torch.zeros(()))
    with pytest.raises(ValueError, match="must be"):
        DominanceMonitor().update_losses(torch.zeros(M, 3), torch.zeros(4))


def test_watching_the_parameters_of_others_is_refused():
    monitor = DominanceMonitor(every=1, strict=True)
    monitor.watch_parameters([linear(0)])
    with pytest.raises(
        ValueError, match="parameters of 1 members are watched, but update received logits of 4"
    ):
        _epoch(monitor, batches())
    with pytest.raises(ValueError, match="member without parameters"):
        monitor.watch_parameters([nn.ReLU()])


def test_parts_of_stacked_parameters_and_of_checkpoints_are_refused(tmp_path):
    part = torch.zeros(M, 2)
    part.device_mesh = None  # as DTensor has
    monitor = DominanceMonitor(every=1, strict=True, lam=1, store=tmp_path / "run", epochs=1)
    with pytest.raises(ValueError, match=r"stacked tensors \(M, …\) that are distributed"):
        monitor.watch_parameters({"weight": part})
    monitor.update(*next(batches()))
    with pytest.raises(ValueError, match="the tensor weight of the checkpoint is distributed"):
        monitor.end_epoch({"weight": part})


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_vote_of_logits_that_are_no_numbers_is_wrong_even_for_the_target(bad):
    monitor = DominanceMonitor(every=1)
    logits = torch.zeros(M, 1, K)
    logits[1, 0, 3] = bad
    monitor.update(logits, torch.tensor([3]))
    monitor.end_epoch()
    assert monitor.epochs[0].means[names.MEMBER_ERROR][1] == 1


def test_a_monitor_that_is_dropped_is_freed_without_the_garbage_collector():
    """A loop that makes monitors again and again does not pile up their samples and stores."""
    monitor = DominanceMonitor(lam=1.0)
    monitor.update(torch.zeros(2, 4, 3), torch.zeros(4, dtype=torch.long))
    monitor.end_epoch()
    alive = weakref.ref(monitor)
    gc.disable()
    try:
        del monitor
        assert alive() is None
    finally:
        gc.enable()
