"""Where members are cut, and which parameters belong to a module."""

import pytest
import torch
from torch import nn

from jtdiag.engine.architectures.conv_stack import ConvStack
from jtdiag.engine.architectures.mlp_stack import MLP
from jtdiag.engine.architectures.module_stack import ModuleStack
from jtdiag.engine.modules.cuts import modules_of, with_parameters
from jtdiag.errors import RecipeError
from jtdiag.recipe.members import Members
from jtdiag.recipe.modules import Modules

MEMBERS = Members(arch="mlp", count=2, hidden=[5, 6, 7])


def mlp():
    return MLP(2, (4,), (5, 6, 7), 3, norm=True)


@pytest.mark.parametrize(
    ("cuts", "expected"),
    [
        ("layers", [("layer1", 0, 1), ("layer2", 1, 2), ("layer3", 2, 3), ("head", 3, 4)]),
        ("head", [("layer3", 0, 3), ("head", 3, 4)]),
        ([2], [("layer2", 0, 2), ("head", 2, 4)]),
        ([1, 3], [("layer1", 0, 1), ("layer3", 1, 3), ("head", 3, 4)]),
    ],
)
def test_a_member_is_cut_where_the_recipe_says(cuts, expected):
    modules = modules_of(mlp(), MEMBERS, Modules(cuts=cuts))
    assert [(m.name, m.start, m.stop) for m in modules] == expected


def test_a_cut_after_a_layer_that_does_not_exist_is_refused():
    with pytest.raises(RecipeError, match=r"modules.cuts is \[1, 4\], but members have 3 hidden"):
        modules_of(mlp(), MEMBERS, Modules(cuts=[1, 4]))


def test_members_of_one_layer_are_refused():
    with pytest.raises(RecipeError, match="a single layer here, so there is nothing to cut"):
        modules_of(MLP(2, (4,), (), 3), MEMBERS, Modules())


def test_every_parameter_belongs_to_one_module():
    stack = mlp()
    modules, shapes = with_parameters(
        stack, modules_of(stack, MEMBERS, Modules(cuts=[2])), torch.rand(2, 4)
    )
    assert modules[0].parameters == tuple(
        f"{kind}{i}.{which}"
        for i in (1, 2)
        for kind in ("layer", "norm")
        for which in ("weight", "bias")
    )
    assert set(modules[0].parameters) | set(modules[1].parameters) == set(stack.parameters)
    assert shapes == [(6,)]


def test_the_shapes_of_feature_maps_are_found():
    stack = ConvStack(2, 1, (3, 4), (1, 2), 5)
    modules, shapes = with_parameters(
        stack, modules_of(stack, MEMBERS, Modules()), torch.rand(2, 1, 9, 9)
    )
    assert shapes == [(3, 7, 7), (4, 3, 3)]
    assert modules[-1].parameters == ("head.weight", "head.bias")


def test_a_parameter_of_two_modules_is_refused():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.shared, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

        def parts(self):
            return [lambda x: self.shared(x).tanh(), lambda x: self.shared(x).tanh(), self.head]

        def forward(self, x):
            return self.head(self.shared(self.shared(x).tanh()).tanh())

    stack = ModuleStack(2, Tied)
    with pytest.raises(RecipeError, match=r"layer1 from layer2, which share the parameter shared"):
        with_parameters(stack, modules_of(stack, MEMBERS, Modules()), torch.rand(2, 4))
    together = modules_of(stack, MEMBERS, Modules(cuts=[2]))
    modules, _ = with_parameters(stack, together, torch.rand(2, 4))
    assert modules[0].parameters == ("shared.weight", "shared.bias")
