"""Groups of lanes whose members are trained module by module."""

import pytest

from jtdiag.engine.lane_group import LaneGroup
from jtdiag.engine.session import Session
from jtdiag.store import lanes

MLP = {"arch": "mlp", "count": 3, "hidden": [7, 6, 5], "norm": "batch"}


@pytest.fixture
def group_of(of_images):
    """Return a function that makes a group of all lanes of a recipe."""

    def make(modules=None, session=None, **changes):
        table = {"members": MLP, "modules": modules or {}, **changes}
        made = session or Session.of(of_images(**table))
        return LaneGroup(
            made.recipe, lanes.lanes_of(made.recipe), made.data, made.stack, made.device
        )

    return make


class Credits:
    """In place of a credit: keeps the batch and what the credit returns."""

    def __init__(self, credit):
        self.credit = credit

    def __getattr__(self, name):
        return getattr(self.credit, name)

    def step(self, batch):
        self.batch, self.credited = batch, self.credit.step(batch)
        return self.credited


@pytest.fixture
def first_step():
    """Return a function that returns the first batch of a group and what its credit returns."""

    def take(group, mu=0.0):
        network = group._modules.network
        spy = Credits(network.credit)
        object.__setattr__(network, "credit", spy)
        group._mu = mu
        group.try_step(group._forward.plan)  # a learning rate of 0
        object.__setattr__(network, "credit", spy.credit)
        return spy.batch, spy.credited

    return take
