import sys

import pytest
import torch
from torch import nn

from jtdiag.engine.architectures.factory import address_of, load_factory, try_out
from jtdiag.engine.architectures.module_stack import ModuleStack
from jtdiag.engine.architectures.trial import try_module
from jtdiag.errors import RecipeError
from jtdiag.recipe.recipe import Members

CODE = """import torch
from torch import nn

def good():
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 5))

def narrow():
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 4))

def no_module():
    return "a network"

def no_parameters():
    return nn.Flatten()

class NoTensor(nn.Linear):
    def __init__(self):
        super().__init__(2, 2)

    def forward(self, x):
        return [x]

number = 3
"""
SHAPE = (3, 2, 2)


def loaded(address, shape=SHAPE, arch="module", count=2):
    """Return a factory that has been tried out, on two examples of 5 classes."""
    factory = load_factory(address)
    members = Members(arch=arch, count=count, factory=address)
    try_out(factory, members)
    try_module(ModuleStack(count, factory), members, torch.zeros(2, *shape), 5, batch=2, count=2)
    return factory


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "net_of_a_test.py"
    path.write_text(CODE)
    return path


def test_a_function_in_a_file_makes_members(file):
    factory = loaded(f"{file}:good")
    assert factory()(torch.zeros(7, *SHAPE)).shape == (7, 5)
    assert isinstance(factory(), nn.Module)


def test_a_function_in_a_module_makes_members(file, monkeypatch):
    monkeypatch.syspath_prepend(file.parent)
    try:
        factory = loaded("net_of_a_test:good")
        assert factory is sys.modules["net_of_a_test"].good
    finally:
        sys.modules.pop("net_of_a_test", None)


def test_trying_a_factory_out_leaves_torchs_generator_alone(file):
    before = torch.get_rng_state()
    loaded(f"{file}:good")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("python:good", r"which is not an address; pass the function as factory=…"),
        ("{file}", r"it must be package.module:function or path/file.py:function\.$"),
        ("no_such_package_at_all:good", r"there is no module 'no_such_package_at_all' to import"),
        ("{folder}/other.py:good", r"there is no file .*other\.py\.$"),
        ("{file}:missing", r"has no function 'missing'\.$"),
        ("{file}:number", r"has no function 'number'\.$"),
        ("{file}:no_module", r"it returned a str, but must return a torch.nn.Module\.$"),
        ("{file}:narrow", r"maps 2 examples \(3, 2, 2\) .* to \(2, 4\), .* logits \(2, 5\)\.$"),
        ("{file}:no_parameters", r"no parameter of its module is trained; set requires_grad"),
        ("{file}:NoTensor", r"to a list, .* logits \(2, 5\); return the logits alone from"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(file, address, complaint):
    address = address.format(file=file, folder=file.parent)
    with pytest.raises(RecipeError, match=complaint) as caught:
        loaded(address)
    assert str(caught.value).startswith(f"members.factory is {address!r}")
    assert "\n" not in str(caught.value)


def test_inputs_that_the_module_cannot_take_are_refused_in_one_line(file):
    with pytest.raises(
        RecipeError, match=r"fails in training mode on 2 examples \(3, 4, 4\): mat1"
    ) as caught:
        loaded(f"{file}:good", (3, 4, 4))
    assert "\n" not in str(caught.value)


def test_a_network_of_branches_must_have_a_row_for_each(file):
    with pytest.raises(RecipeError, match=r"to \(2, 5\), but must map them to logits \(2, 3, 5\)"):
        loaded(f"{file}:good", arch="branches", count=3)


def test_an_address_is_one_that_can_be_imported(file, monkeypatch):
    monkeypatch.syspath_prepend(file.parent)
    try:
        good = load_factory("net_of_a_test:good")
        assert address_of(good) == "net_of_a_test:good"
    finally:
        sys.modules.pop("net_of_a_test", None)
    assert address_of(nn.Identity) == "torch.nn.modules.linear:Identity"


def test_a_function_without_an_address_keeps_its_name(file):
    def local():
        return nn.Identity()

    assert address_of(local).startswith("python:test_a_function_without")
    assert address_of(lambda: nn.Identity()).endswith("<lambda>")
    of_the_script = load_factory(f"{file}:good")
    of_the_script.__module__ = "__main__"
    assert address_of(of_the_script) == "python:good"


def test_what_torchvision_lacks_is_mended_for_a_users_file(tmp_path, monkeypatch):
    """A file that imports torchvision itself works beside a torch it was not built for."""
    (tmp_path / "uses_it.py").write_text(
        "import torchvision.ops\nfrom torch import nn\n\ndef make():\n    return nn.Identity()\n"
    )
    assert isinstance(load_factory(f"{tmp_path}/uses_it.py:make")(), nn.Identity)
