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


@pytest.mark.parametrize("form", ["pair", "dict"])
def test_the_handler_counts_what_the_steps_returned(library, toy, form):
    monitor = DominanceMonitor(lam=1, every=1)
    if form == "pair":
        run(library, toy, library.Handler(monitor), lambda logits, target: (logits, target))
    else:
        handler = library.Handler(monitor, lambda output: (output["eta"], output["y"]))
        run(library, toy, handler, lambda logits, target: {"eta": logits, "y": target})
    assert monitor.history.epoch.tolist() == [1, 2, 3]
    for epoch in (1, 2, 3):
        found = monitor.history.member_error[epoch - 1]
        np.testing.assert_allclose(found, toy.members.errors_by_hand(epoch))
