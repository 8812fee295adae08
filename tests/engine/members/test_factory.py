import sys

import pytest
import torch
from torch import nn

from jtdiag.engine.members.factory import load_factory
from jtdiag.errors import RecipeError

CODE = """import torch
from torch import nn

def good():
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 5))

def narrow():
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 4))

def no_module():
    return "a network"

class NoTensor(nn.Module):
    def forward(self, x):
        return [x]

number = 3
"""
SHAPE = (3, 2, 2)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "net_of_a_test.py"
    path.write_text(CODE)
    return path


def test_a_function_in_a_file_makes_members(file):
    factory = load_factory(f"{file}:good", SHAPE, 5)
    assert factory()(torch.zeros(7, *SHAPE)).shape == (7, 5)
    assert isinstance(factory(), nn.Module)


def test_a_function_in_a_module_makes_members(file, monkeypatch):
    monkeypatch.syspath_prepend(file.parent)
    try:
        factory = load_factory("net_of_a_test:good", SHAPE, 5)
        assert factory is sys.modules["net_of_a_test"].good
    finally:
        sys.modules.pop("net_of_a_test", None)


def test_trying_a_factory_out_leaves_torchs_generator_alone(file):
    before = torch.get_rng_state()
    load_factory(f"{file}:good", SHAPE, 5)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("{file}", r"it must be package.module:function or path/file.py:function\.$"),
        ("no_such_package_at_all:good", r"there is no module 'no_such_package_at_all' to import"),
        ("{folder}/other.py:good", r"there is no file .*other\.py\.$"),
        ("{file}:missing", r"has no function 'missing'\.$"),
        ("{file}:number", r"has no function 'number'\.$"),
        ("{file}:no_module", r"it returned a str, and must return a torch.nn.Module\.$"),
        ("{file}:narrow", r"maps 2 examples \(3, 2, 2\) to \(2, 4\), .* logits \(2, 5\)\.$"),
        ("{file}:NoTensor", r"maps 2 examples \(3, 2, 2\) to list, .* logits \(2, 5\)\.$"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(file, address, complaint):
    address = address.format(file=file, folder=file.parent)
    with pytest.raises(RecipeError, match=complaint) as caught:
        load_factory(address, SHAPE, 5)
    assert str(caught.value).startswith(f"members.factory is {address!r}; ")
    assert "\n" not in str(caught.value)


def test_inputs_that_the_module_cannot_take_are_refused_in_one_line(file):
    with pytest.raises(RecipeError, match=r"fails on 2 examples \(3, 4, 4\): mat1") as caught:
        load_factory(f"{file}:good", (3, 4, 4), 5)
    assert "\n" not in str(caught.value)
