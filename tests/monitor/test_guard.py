"""Once a first batch has been accepted, the monitor never ends the training that it watches."""

import logging

import pytest
import torch
from torch import nn

from jtdiag import DominanceMonitor
from jtdiag.errors import StoreError
from jtdiag.monitor.branches import BranchSkippedError, watch_branches
from jtdiag.monitor.guard import Guard

M, N, K = 3, 6, 4
TARGET = torch.arange(N) % K


def logits(members=M, seed=0):
    return torch.randn(members, N, K, generator=torch.Generator().manual_seed(seed))


def started(**options):
    monitor = DominanceMonitor(every=1, **options)
    monitor.update(logits(), TARGET)
    return monitor


def fail():
    raise RuntimeError("CUDA error:\n  device-side \x1b[31massert")


MISTAKES = {
    "other members": lambda m: m.update(logits(M + 1), TARGET),
    "other shapes": lambda m: m.update(logits(), TARGET[:3]),
    "other outputs": lambda m: m.update(logits()[..., :2], TARGET % 2),
    "no targets": lambda m: m.update(logits(), None),
    "no logits": lambda m: m.update(None, TARGET),
    "a function that fails": lambda m: m.update(fail, TARGET),
    "losses of other shapes": lambda m: m.update_losses(torch.zeros(M), torch.zeros(2)),
    "losses that are none": lambda m: m.update_losses(None, None),
    "outputs without a store": lambda m: m.record("test", logits(), TARGET),
    "no members to watch": lambda m: m.watch_parameters([]),
    "two ends of an epoch": lambda m: (m.end_epoch(), m.end_epoch()),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_after_the_first_batch_a_mistake_is_logged_once_and_the_monitor_stops(mistake, caplog):
    monitor = started()
    mistake(monitor)
    [record] = caplog.records
    assert (record.name, record.levelname) == ("jtdiag", "WARNING")
    line = record.getMessage()
    assert line == monitor.stopped
    assert line.startswith("The monitor of jtdiag has stopped: ")
    assert line.isprintable()
    before = len(monitor.epochs)
    for _ in range(2):
        mistake(monitor)
        monitor.update(logits(), TARGET)
        assert monitor.end_epoch() == []
    monitor.close()
    assert len(caplog.records) == 1
    assert len(monitor.epochs) == before


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_strict_monitor_raises(mistake):
    monitor = started(strict=True)
    with pytest.raises((ValueError, StoreError, RuntimeError, AttributeError)):
        mistake(monitor)
    assert monitor.stopped == ""


def test_the_first_batch_is_refused_with_an_error():
    with pytest.raises(ValueError, match="they must be"):
        DominanceMonitor().update(logits(), TARGET[:3])
    with pytest.raises(RuntimeError, match="CUDA"):
        DominanceMonitor().update(fail, TARGET)


def test_a_function_for_findings_that_fails_leaves_the_finding(caplog):
    def tell(finding):
        raise OSError("no network")

    monitor = started(tell=tell)
    monitor.update(logits() * float("nan"), TARGET)
    [finding] = monitor.end_epoch()
    assert monitor.findings == [finding]
    assert finding.rule == "divergence"
    assert "OSError: no network." in caplog.text


def test_an_interruption_is_passed_on():
    def interrupt(finding):
        raise KeyboardInterrupt

    monitor = started(tell=interrupt)
    monitor.update(logits() * float("nan"), TARGET)
    with pytest.raises(KeyboardInterrupt):
        monitor.end_epoch()


def test_warnings_as_errors_do_not_end_training(recwarn):
    monitor = started()
    MISTAKES["other members"](monitor)
    assert monitor.stopped
    assert not recwarn.list


def test_the_type_is_named_for_errors_of_others_only(caplog):
    for error in (ValueError("x is 1; it must be 2."), KeyError("x"), RuntimeError()):
        guard = Guard(strict=False)
        guard.arm()
        with guard:
            raise error
    reasons = [r.getMessage().split("stopped: ")[1].split(" Training")[0] for r in caplog.records]
    assert reasons == ["x is 1; it must be 2.", "KeyError: 'x'.", "RuntimeError: no message."]


# --- branches that are skipped --------------------------------------------------------------------


class Skipping(nn.Module):
    """Branches of which a step may skip some, as in stochastic depth."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.branches = nn.ModuleList(nn.Linear(5, K) for _ in range(M))

    def forward(self, x, skip=()):
        return sum(b(x) for j, b in enumerate(self.branches) if j not in skip)


def test_a_batch_with_a_skipped_branch_is_left_out_of_the_numbers(caplog):
    model, x = Skipping(), torch.randn(8, N, 5, generator=torch.Generator().manual_seed(0))
    with_skips, without = DominanceMonitor(every=1), DominanceMonitor(every=1)
    with watch_branches(model, [f"branches.{j}" for j in range(M)]) as branches:
        for step in range(8):
            skip = {0: (1,), 3: (0, 2), 7: (2,)}.get(step, ())
            model(x[step], skip)
            with_skips.update(branches, TARGET)
            if not skip:
                without.update([b(x[step]) for b in model.branches], TARGET)
        with_skips.end_epoch(), without.end_epoch()
    assert not caplog.records
    assert with_skips.epochs[0].batches == 5
    for name, values in without.epochs[0].means.items():
        assert with_skips.epochs[0].means[name] == pytest.approx(values, rel=1e-6)


def test_a_branch_that_is_always_skipped_is_named(caplog):
    model, x = Skipping(), torch.randn(N, 5)
    monitor = DominanceMonitor(every=1)
    with watch_branches(model, [f"branches.{j}" for j in range(M)]) as branches:
        for _ in range(3):
            model(x, skip=(1,))
            monitor.update(branches, TARGET)
        with pytest.raises(BranchSkippedError, match="was skipped in the last forward pass"):
            branches()
    with pytest.raises(ValueError, match=r"epoch 1 has no batch .* 'branches.1' was skipped"):
        monitor.end_epoch()
    assert logging.getLogger("jtdiag").level == logging.NOTSET
