"""Training loops with the monitor: right numbers, or one line that does not end the training."""

import copy
import pickle
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile_case import hostile, is_one_line, log_lines
from torch import Tensor, nn
from torch.nn import functional

from jtdiag import DominanceMonitor, Run, watch_branches

KIND = "training loop"
M, N, K = 3, 20, 4
LOGITS = torch.randn(M, N, K, generator=torch.Generator().manual_seed(0))
TARGET = torch.arange(N) * 7 % K


@contextmanager
def logged(*parts: str) -> Iterator[None]:
    """Check that jtdiag logs one line with these parts, or nothing."""
    with log_lines() as lines:
        yield
    assert len(lines) == bool(parts), lines
    if parts:
        is_one_line(lines[0], *parts)


def epoch(*batches: tuple[object, object], **options: object) -> DominanceMonitor:
    """Return a monitor after one epoch of batches."""
    monitor = DominanceMonitor(lam=1, every=1, **options)  # type: ignore[arg-type]
    for logits, target in batches:
        monitor.update(logits, target)  # type: ignore[arg-type]
    monitor.end_epoch()
    return monitor


def is_as_by_torch(monitor: DominanceMonitor, logits: Tensor, target: Tensor) -> None:
    """Check the last epoch's numbers against torch's own cross-entropy, in float64."""
    means = monitor.epochs[-1].means
    entropy = functional.cross_entropy
    expected = [float(entropy(own.double(), target.long())) for own in logits]
    np.testing.assert_allclose(means["member_loss"], expected, rtol=1e-3)
    mean = logits.double().mean(0)
    np.testing.assert_allclose(means["ensemble_loss"], entropy(mean, target.long()), rtol=1e-3)
    counted = target != -100
    wrong = (logits.argmax(-1) != target)[:, counted].double().mean(1)
    np.testing.assert_allclose(means["member_error"], wrong)
    assert monitor.epochs[-1].examples == int(counted.sum())


def stops(mistake: Callable[[DominanceMonitor], object], *parts: str) -> None:
    """Check that a mistake after the first batch is one logged line, and training goes on."""
    monitor = DominanceMonitor(lam=1, every=1)
    monitor.update(LOGITS, TARGET)
    with logged("The monitor of jtdiag has stopped", "Training is not affected", *parts):
        mistake(monitor)
        monitor.update(LOGITS, TARGET)
        assert monitor.end_epoch() == []
    assert monitor.stopped


def refused(action: Callable[[], object], *parts: str) -> None:
    """Check that a mistake in the first call is an error of one line."""
    with pytest.raises(ValueError, match=".") as caught:
        action()
    is_one_line(str(caught.value), *parts)


# --- targets ------------------------------------------------------------------------------------


@hostile(KIND, "half of a batch without labels (−100)", "watched")
def half_ignored(_: Path) -> None:
    target = torch.where(torch.arange(N) % 2 == 0, -100, TARGET)
    with logged():
        is_as_by_torch(epoch((LOGITS, target)), LOGITS, target)


@hostile(KIND, "a batch without any label beside a whole one", "watched")
def one_ignored(_: Path) -> None:
    nothing = torch.full((N,), -100)
    with logged():
        for batches in ((nothing, TARGET), (TARGET, nothing)):
            is_as_by_torch(epoch(*((LOGITS, t) for t in batches)), LOGITS, TARGET)


@hostile(KIND, "an epoch without any label, and one of empty batches", "read, and said")
def all_ignored(_: Path) -> None:
    for batch in ((LOGITS, torch.full((N,), -100)), (LOGITS[:, :0], TARGET[:0])):
        with logged(r"Epoch 1 has no metrics: .* except those with the target -100"):
            monitor = epoch(batch)
        assert (monitor.epochs, monitor.findings, monitor.stopped) == ([], [], "")


@hostile(KIND, "another ignore_index, with targets in one byte", "watched")
def ignored_bytes(_: Path) -> None:
    target = torch.where(torch.arange(N) % 3 == 0, 255, TARGET).to(torch.uint8)
    monitor = epoch((LOGITS, target), ignore_index=255)
    counted = torch.where(target == 255, -100, target.long())
    is_as_by_torch(monitor, LOGITS, counted)


@hostile(KIND, "class probabilities as targets (label smoothing, mixup)", "watched")
def probabilities(_: Path) -> None:
    target = 0.9 * functional.one_hot(TARGET, K).float() + 0.1 / K
    monitor = epoch((LOGITS, target))
    expected = [float(functional.cross_entropy(own, target)) for own in LOGITS]
    np.testing.assert_allclose(monitor.epochs[-1].means["member_loss"], expected, rtol=1e-5)


@hostile(KIND, "classes in one batch and class probabilities in the next", "watched")
def mixed_targets(_: Path) -> None:
    one_hot = functional.one_hot(TARGET, K).float()
    with logged():
        monitor = epoch((LOGITS, TARGET), (LOGITS, one_hot))
    single = epoch((LOGITS, TARGET))
    for name, values in single.epochs[-1].means.items():
        np.testing.assert_allclose(monitor.epochs[-1].means[name], values, rtol=1e-6)


@hostile(KIND, "targets in int32, uint8 and bool", "watched")
def integer_types(_: Path) -> None:
    for dtype in (torch.int32, torch.uint8):
        is_as_by_torch(epoch((LOGITS, TARGET.to(dtype))), LOGITS, TARGET)
    two = LOGITS[..., :2]
    is_as_by_torch(epoch((two, TARGET % 2 == 1)), two, TARGET % 2)


@hostile(KIND, "targets out of range, too large and negative", "refused")
def out_of_range(_: Path) -> None:
    def batch_of(target: Tensor) -> Callable[[DominanceMonitor], object]:
        return lambda m: (m.update(LOGITS, target), m.end_epoch())

    allowed = "allowed are classes 0 to 3, or -100"
    stops(batch_of(TARGET + K), "20 of 40 examples", allowed)
    stops(batch_of(torch.where(TARGET == 0, -1, TARGET)), "5 of 40 examples", allowed)


@hostile(KIND, "integers (N, K), floats (N,), arrays of numpy and no tensor as targets", "refused")
def other_targets(_: Path) -> None:
    for target, part in (
        (functional.one_hot(TARGET, K), "must be class probabilities in floating point"),
        (TARGET.float(), "classes integers"),
        (TARGET.numpy(), "targets are of type ndarray"),
        (None, "targets are of type NoneType"),
    ):
        refused(lambda target=target: epoch((LOGITS, target)), part)  # type: ignore[misc]


@hostile(KIND, "one logit for two classes", "refused")
def one_logit(_: Path) -> None:
    refused(lambda: epoch((LOGITS[..., :1], TARGET % 2)), 'pass family="bernoulli"')
    monitor = epoch((LOGITS[..., :1], TARGET % 2), family="bernoulli")
    loss = functional.binary_cross_entropy_with_logits
    expected = [float(loss(own[:, 0], (TARGET % 2).float())) for own in LOGITS]
    np.testing.assert_allclose(monitor.epochs[-1].means["member_loss"], expected, rtol=1e-5)


# --- logits -------------------------------------------------------------------------------------


@hostile(KIND, "logits in float16, bfloat16 and float64", "watched")
def precisions(_: Path) -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        logits = LOGITS.to(dtype)
        is_as_by_torch(epoch((logits, TARGET)), logits, TARGET)


@hostile(KIND, "a list and a tuple of members' logits with gradients", "watched")
def lists(_: Path) -> None:
    for kind in (list, tuple):
        members = kind(own.clone().requires_grad_() for own in LOGITS)
        is_as_by_torch(epoch((members, TARGET)), LOGITS, TARGET)
        assert all(own.grad is None for own in members)


@hostile(KIND, "a dict, a generator or an array of logits", "refused")
def other_logits(_: Path) -> None:
    for logits, kind in (
        (dict(enumerate(LOGITS)), "dict"),
        ((own for own in LOGITS), "generator"),
        (LOGITS.numpy(), "ndarray"),
    ):
        refused(lambda given=logits: epoch((given, TARGET)), f"logits are of type {kind}")  # type: ignore[misc]
    stops(lambda m: m.update(dict(enumerate(LOGITS)), TARGET), "logits are of type dict")


@hostile(KIND, "examples first (N, M, K), targets for each member, maps of pixels", "refused")
def other_shapes(_: Path) -> None:
    members_first = r"they must be \(M, N, K\), with members first"
    refused(lambda: epoch((LOGITS.transpose(0, 1), TARGET)), members_first)
    refused(lambda: epoch((LOGITS, TARGET.expand(M, N))), members_first)
    pixels = torch.zeros(M, N, K, 2, 2), torch.zeros(N, 2, 2, dtype=torch.long)
    refused(lambda: epoch(pixels), members_first)


@hostile(KIND, "sparse and complex logits, and logits on another device", "refused")
def unusual_tensors(_: Path) -> None:
    stops(lambda m: m.update(LOGITS.to_sparse(), TARGET), "layout sparse_coo")
    stops(lambda m: m.update(LOGITS.to(torch.complex64), TARGET), "must be floating point")
    stops(lambda m: m.update(LOGITS.to("meta"), TARGET), "logits are on meta and targets on cpu")


@hostile(KIND, "tensors of torch.inference_mode, and update inside of it", "watched")
def inference_mode(_: Path) -> None:
    monitor = DominanceMonitor(every=1)
    with torch.inference_mode():
        logits, target = LOGITS * 1, TARGET * 1
        monitor.update(logits, target)
    monitor.update(logits, target)
    monitor.update(LOGITS, TARGET)
    monitor.end_epoch()
    assert monitor.epochs[-1].examples == 3 * N


@hostile(KIND, "logits and targets that the loop overwrites after update", "watched")
def overwritten(_: Path) -> None:
    monitor = DominanceMonitor(every=1)
    logits, target = LOGITS.clone(), TARGET.clone()
    monitor.update(logits, target)
    logits.zero_(), target.zero_()
    monitor.end_epoch()
    is_as_by_torch(monitor, LOGITS, TARGET)


@hostile(KIND, "NaN and infinite logits", "read, and said")
def not_finite(_: Path) -> None:
    for bad in (float("nan"), float("inf")):
        found = []
        monitor = epoch((LOGITS * bad, TARGET), tell=found.append)
        assert [finding.rule for finding in found] == ["divergence"]
        assert "3 of 3 members is not finite" in found[0].sentence
        assert monitor.stopped == ""


@hostile(KIND, "classes that are masked by −inf", "watched")
def masked(_: Path) -> None:
    logits = LOGITS.index_fill(-1, torch.tensor([0]), -float("inf"))
    is_as_by_torch(epoch((logits, TARGET.clamp(1))), logits, TARGET.clamp(1))


@hostile(KIND, "batches of one and of no example, also as the first", "watched")
def small_batches(_: Path) -> None:
    with logged():
        monitor = epoch(
            *((LOGITS[:, part], TARGET[part]) for part in (slice(0, 0), slice(0, 1), slice(1, N)))
        )
        assert monitor.epochs[-1].batches == 3
        is_as_by_torch(monitor, LOGITS, TARGET)


@hostile(KIND, "a single member", "watched")
def single_member(_: Path) -> None:
    is_as_by_torch(epoch((LOGITS[:1], TARGET)), LOGITS[:1], TARGET)


@hostile(KIND, "members or classes that change in number", "refused")
def changing(_: Path) -> None:
    stops(lambda m: m.update(LOGITS[:2], TARGET), "a batch has 2 members; previous batches had 3")
    stops(lambda m: m.update(LOGITS[..., :3], TARGET % 3), "3 outputs; .* had 4")


# --- the loop -----------------------------------------------------------------------------------


@hostile(KIND, "end_epoch twice, before any batch, and never", "refused")
def ends(_: Path) -> None:
    refused(lambda: DominanceMonitor().end_epoch(), "epoch 1 has no batches")
    stops(lambda m: (m.end_epoch(), m.end_epoch()), "epoch 2 has no batches")
    monitor = DominanceMonitor(every=1)
    with logged():
        for _batch in range(200):
            monitor.update(LOGITS, TARGET)
    assert monitor.epochs == monitor.findings == []


@hostile(KIND, "gradients that are accumulated over four batches", "watched")
def accumulation(_: Path) -> None:
    monitor = DominanceMonitor(every=1)
    for part in torch.arange(N).chunk(4):
        monitor.update(LOGITS[:, part], TARGET[part])
    monitor.end_epoch()
    assert monitor.epochs[-1].batches == 4
    is_as_by_torch(monitor, LOGITS, TARGET)


@hostile(KIND, "a function for logits that raises, first and later", "refused")
def raising(_: Path) -> None:
    class OwnError(Exception):
        pass

    def fail() -> Tensor:
        raise OwnError("of the user\nand of no one else")

    with pytest.raises(OwnError):
        DominanceMonitor().update(fail, TARGET)
    stops(lambda m: m.update(fail, TARGET), "OwnError: of the user and of no one else")


@hostile(KIND, "an exception and an interruption of the user between updates", "watched")
def user_exceptions(_: Path) -> None:
    def interrupt() -> Tensor:
        raise KeyboardInterrupt

    monitor = DominanceMonitor(every=1)
    monitor.update(LOGITS, TARGET)
    with pytest.raises(KeyboardInterrupt):
        monitor.update(interrupt, TARGET)
    monitor.update(LOGITS, TARGET)
    monitor.end_epoch()
    is_as_by_torch(monitor, torch.cat([LOGITS, LOGITS], 1), torch.cat([TARGET, TARGET]))


@hostile(KIND, "four threads that share a monitor", "watched")
def threads(_: Path) -> None:
    monitor = DominanceMonitor(every=1)
    monitor.update(LOGITS, TARGET)

    def work() -> None:
        for _batch in range(10):
            monitor.update(LOGITS, TARGET)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with logged():
        monitor.end_epoch()
    assert monitor.epochs[-1].batches == 41


@hostile(KIND, "a monitor that is pickled or copied with the user's trainer", "watched")
def pickled(_: Path) -> None:
    monitor = DominanceMonitor(every=1)
    monitor.update(LOGITS, TARGET)
    for other in (pickle.loads(pickle.dumps(monitor)), copy.deepcopy(monitor)):
        other.end_epoch()
        is_as_by_torch(other, LOGITS, TARGET)


@hostile(KIND, "λ of 2, of NaN and in words, and arguments of the wrong type", "refused")
def arguments(_: Path) -> None:
    for lam in (2, -0.1, float("nan"), "1", True):
        refused(lambda lam=lam: DominanceMonitor(lam=lam), "it must be a number from 0 to 1")  # type: ignore[misc]
    refused(lambda: DominanceMonitor(tell=3), "tell is of type int")  # type: ignore[arg-type]
    refused(lambda: DominanceMonitor(every=0), "at least 1")
    refused(lambda: DominanceMonitor(wanted="collapse"), "wanted is 'collapse'")
    assert DominanceMonitor(wanted="dominance", lam=np.float32(0.5)).lam == 0.5


@hostile(
    KIND,
    "parameters to watch: one module, no tensors, another number, other shapes later",
    "refused",
)
def watched_parameters(_: Path) -> None:
    refused(lambda: DominanceMonitor().watch_parameters(nn.Linear(2, 2)), "a single Linear")  # type: ignore[arg-type]
    refused(lambda: DominanceMonitor().watch_parameters([nn.ReLU()]), "without parameters")
    members = [nn.Linear(2, 2) for _ in range(M)]

    def resize(monitor: DominanceMonitor) -> None:
        monitor.watch_parameters(members)
        members[0].weight.data = torch.zeros(3, 3)
        monitor.end_epoch()

    stops(lambda m: (m.watch_parameters(members[:2]), m.end_epoch()), "of 2 members are watched")
    stops(resize, "RuntimeError: The size of tensor")


@hostile(KIND, "members with frozen parameters, watched by a ModuleList", "watched")
def frozen_parameters(_: Path) -> None:
    members = nn.ModuleList(nn.Linear(2, 2) for _ in range(M))
    members[1].requires_grad_(False)
    monitor = DominanceMonitor(every=1)
    monitor.watch_parameters(members)
    monitor.update(LOGITS, TARGET)
    with torch.no_grad():
        members[0].weight += 1
    monitor.end_epoch()
    np.testing.assert_allclose(monitor.epochs[-1].displacement, [2, 0, 0], rtol=1e-6)


# --- branches -----------------------------------------------------------------------------------


class Branched(nn.Module):
    """A network that adds the outputs of its branches, of which a pass may skip some."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Linear(5, K) for _ in range(M))

    def forward(self, x: Tensor, skip: tuple[int, ...] = ()) -> Tensor:
        """Return logits (N, K)."""
        kept = [b(x) for j, b in enumerate(self.branches) if j not in skip]
        return torch.stack(kept).mean(0)


NAMES = [f"branches.{j}" for j in range(M)]
X = torch.randn(N, 5, generator=torch.Generator().manual_seed(1))


@hostile(KIND, "branches that some forward passes skip", "watched")
def skipped_branches(_: Path) -> None:
    model, monitor = Branched(), DominanceMonitor(every=1)
    with watch_branches(model, NAMES) as branches, logged():
        for skip in ((0,), (), (1, 2), ()):
            model(X, skip)
            monitor.update(branches, TARGET)
        monitor.end_epoch()
    assert monitor.epochs[-1].batches == 2
    logits = torch.stack([branch(X) for branch in model.branches]).detach()
    twice = torch.cat([logits, logits], 1)
    is_as_by_torch(monitor, twice, torch.cat([TARGET, TARGET]))


@hostile(KIND, "branches in evaluation mode, not called, or closed", "refused")
def no_branches(_: Path) -> None:
    model = Branched()
    branches = watch_branches(model, NAMES)
    model.eval()(X)
    refused(
        lambda: DominanceMonitor().update(branches, TARGET), "after a forward pass of the whole"
    )
    model.train()(X)
    branches.close()
    stops(lambda m: m.update(branches, TARGET), "'branches.0' has no output", r"before close\(\)")


@hostile(KIND, "branches that return a tuple, feature maps, or do not exist", "refused")
def other_branches(_: Path) -> None:
    model = nn.Sequential(nn.Conv1d(1, 2, 1), nn.Flatten(), nn.LSTM(10, K))
    x = torch.zeros(N, 1, 5)
    for name, part in (("0", r"returns \(20, 2, 5\) instead of logits"), ("2", "returns tuple")):
        with watch_branches(model, [name]) as branches:
            model(x)
            refused(lambda given=branches: DominanceMonitor().update(given, TARGET), part)  # type: ignore[misc]
    refused(lambda: watch_branches(model, ["branch"]), "has no such submodule")
    refused(lambda: watch_branches(model, ["0", "0"]), "a different submodule for each branch")


# --- a store ------------------------------------------------------------------------------------


@hostile(KIND, "examples without a label among those that are recorded", "watched")
def recorded(tmp_path: Path) -> None:
    monitor = DominanceMonitor(lam=1, every=1, store=tmp_path / "run", epochs=1, strict=True)
    target = torch.where(torch.arange(N) % 4 == 0, -100, TARGET)
    monitor.update(LOGITS, TARGET)
    monitor.record("test", LOGITS, target)
    monitor.end_epoch()
    run = Run(tmp_path / "run")
    stored = np.concatenate([b.logits for b in run.outputs(run.lanes[0], 1, "test")], 1)
    np.testing.assert_array_equal(stored, LOGITS[:, target != -100].numpy())


@hostile(
    KIND, "recorded targets that change, an unknown split, and more epochs than declared", "refused"
)
def recorded_wrongly(tmp_path: Path) -> None:
    def loop(path: str, split: str, shift: int, epochs: int) -> DominanceMonitor:
        monitor = DominanceMonitor(lam=1, every=1, store=tmp_path / path, epochs=epochs)
        for number in range(2):
            monitor.update(LOGITS, TARGET)
            monitor.record(split, LOGITS, (TARGET + shift * number) % K)
            monitor.end_epoch()
        return monitor

    with logged("the targets of split test have changed"):
        loop("targets", "test", 1, 2)
    with logged("split is 'train'; it must be 'val' or 'test'"):
        loop("split", "train", 0, 2)
    with logged("was created for 1 epoch"):
        loop("epochs", "test", 0, 1)
    run = Run(tmp_path / "targets")
    assert run.seal(run.lanes[0]).epoch == 1


@hostile(KIND, "a store that has been deleted during training", "refused")
def deleted_store(tmp_path: Path) -> None:
    monitor = DominanceMonitor(lam=1, every=1, store=tmp_path / "run", epochs=3)
    monitor.update(LOGITS, TARGET)
    monitor.record("test", LOGITS, TARGET)
    monitor.end_epoch()
    shutil.rmtree(tmp_path / "run")
    with logged("has stopped"):
        for _epoch in range(2):
            monitor.update(LOGITS, TARGET)
            monitor.record("test", LOGITS, TARGET)
            assert monitor.end_epoch() == []
