from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from jtdiag import DominanceMonitor

# Ignite 0.5 imports a part of torch 2.13 that uses what torch itself deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.* is deprecated:DeprecationWarning")


@pytest.fixture
def library():
    import ignite.engine

    from jtdiag.integrations.ignite import JtdiagHandler

    return SimpleNamespace(Engine=ignite.engine.Engine, Handler=JtdiagHandler)


def run(library, toy, handler, shape, epochs=3):
    """Train; `shape` makes the output of a step from logits and targets."""
    sgd = torch.optim.SGD(toy.members.parameters(), lr=0.5)

    def step(engine, batch):
        logits = toy.members(*batch)
        sgd.zero_grad()
        toy.loss(logits, batch[1]).backward()
        sgd.step()
        return shape(logits, batch[1])

    engine = library.Engine(step)
    handler.attach(engine)
    engine.run(DataLoader(TensorDataset(toy.x, toy.y), batch_size=toy.batch), epochs)
    return engine


@pytest.mark.parametrize("form", ["pair", "dict"])
def test_the_handler_counts_what_the_steps_returned(library, toy, form):
    monitor = DominanceMonitor(lam=1, every=1)
    if form == "pair":
        handler = library.Handler(monitor)
        engine = run(library, toy, handler, lambda logits, target: (logits, target))
    else:
        handler = library.Handler(monitor, lambda output: (output["eta"], output["y"]))
        engine = run(library, toy, handler, lambda logits, target: {"eta": logits, "y": target})
    assert monitor.history.epoch.tolist() == [1, 2, 3]
    for epoch in (1, 2, 3):
        found = monitor.history.member_error[epoch - 1]
        np.testing.assert_allclose(found, toy.members.errors_by_hand(epoch))
    assert engine.state.metrics == monitor.scalars() != {}


def test_iterations_that_return_nothing_are_left_out(library, toy):
    monitor = DominanceMonitor(lam=1, every=1)
    count = iter(range(100))

    def shape(logits, target):
        return None if next(count) % 5 == 1 else (logits, target)

    run(library, toy, library.Handler(monitor), shape, epochs=2)
    assert [epoch.batches for epoch in monitor.epochs] == [4, 4]
    assert [epoch.examples for epoch in monitor.epochs] == [34, 34]


def test_a_process_function_that_returns_nothing_does_not_end_training(library, toy, caplog):
    monitor = DominanceMonitor()
    run(library, toy, library.Handler(monitor), lambda *_: None, epochs=2)
    assert len(toy.members.said) == 10
    [line] = caplog.messages
    assert line == monitor.stopped
    assert "the process function returned nothing in all 5 batches of the epoch" in line


def test_a_transform_that_fails_later_stops_the_monitor_and_not_the_engine(library, toy, caplog):
    monitor, count = DominanceMonitor(), iter(range(100))

    def transform(output):
        return output if next(count) < 3 else output["logits"]

    handler = library.Handler(monitor, transform)
    run(library, toy, handler, lambda logits, target: (logits, target), epochs=2)
    assert len(toy.members.said) == 10
    [line] = caplog.messages
    assert "has stopped: TypeError" in line


@pytest.mark.parametrize(("rank", "logs"), [(0, True), (1, False)])
def test_only_the_first_process_reports(library, toy, monkeypatch, rank, logs):
    import jtdiag.integrations.ignite as adapter

    monkeypatch.setattr(adapter, "get_rank", lambda: rank)
    handler = library.Handler(DominanceMonitor())
    run(library, toy, handler, lambda logits, target: (logits, target), epochs=1)
    assert (handler.monitor.tell is not None) == logs
    assert len(handler.monitor.epochs) == 1
