"""An architecture of another installed distribution: one file, trained end to end."""

import sys
import tomllib

import numpy as np
import pytest
from click.testing import CliRunner

from jtdiag import Run
from jtdiag.commands import main
from jtdiag.errors import RecipeError
from jtdiag.recipe import budget, presets, toml
from jtdiag.recipe.labels import labels
from jtdiag.recipe.members import ARCHITECTURES
from jtdiag.replay import Replay

CODE = '''"""Radial basis functions as members."""

import math

import attrs

from jtdiag.recipe.members import Architecture
from jtdiag.recipe.sizing import Sizing


@attrs.frozen(kw_only=True)
class Options:
    """[members.options]."""

    centers: int = attrs.field(validator=attrs.validators.ge(1))
    scale: float = 1.0


def build(members, input_shape, outputs, factory):
    import torch
    from torch import nn

    from jtdiag.engine.architectures.module_stack import ModuleStack

    options = members.architecture_options
    inputs = math.prod(input_shape)

    class Radial(nn.Module):
        def __init__(self):
            super().__init__()
            self.centers = nn.Parameter(torch.randn(options.centers, inputs))
            self.head = nn.Linear(options.centers, outputs)

        def forward(self, x):
            distance = ((x.flatten(1)[:, None] - self.centers) ** 2).mean(-1)
            return self.head((-distance / options.scale).exp())

    return ModuleStack(members.count, Radial)


ARCHITECTURE = Architecture(
    name="radial",
    build=build,
    options=Options,
    first_layer="centers",
    sizing=Sizing(
        parameters=lambda width, data: width * math.prod(data.input_shape)
        + data.classes * (width + 1),
        fields=lambda width: {"options": {"centers": width}},
        size="{} centers",
        lam=(0, 0.9),
        trials=1,
        train={"epochs": 2},
        tune="To tune: train.lr.",
    ),
)
'''

RECIPE = """
lam = [0, 0.9]
[data]
name = "toy.npz"
val = 10
[members]
arch = "radial"
count = 3
options = { centers = 5, scale = 0.5 }
[train]
epochs = 2
batch = 10
lr = 0.1
[keep]
splits = ["val", "test"]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Install the distribution; return a folder with toy data and a recipe, the current one."""
    site = tmp_path / "site"
    info = site / "radial_members-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: radial-members\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[jtdiag.architectures]\nradial = radial_members_of_a_test:ARCHITECTURE\n"
    )
    (site / "radial_members_of_a_test.py").write_text(CODE)
    monkeypatch.syspath_prepend(site)
    random = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = random.normal(y[:, None], 0.5, (60, 4)).astype(np.float32)
    np.savez(tmp_path / "toy.npz", x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    (tmp_path / "radial.toml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("radial_members_of_a_test", None)


def jtdiag(*arguments):
    ran = CliRunner().invoke(main, arguments)
    assert ran.exit_code == 0, ran.output
    return ran.output


@pytest.mark.slow
def test_it_is_trained_probed_and_replayed(folder):
    jtdiag("train", "radial.toml", "--set", "members.options.centers=6")
    run = Run("runs/radial")
    assert run.done
    assert run.recipe.members.options == {"centers": 6, "scale": 0.5}
    assert run.parameters["centers"] == (6, 4)
    output = jtdiag("probe", "runs/radial", "performance", "filters")
    assert "performance" in output
    lane = run.lanes[1]
    [block] = run.outputs(lane, 2, "test")
    replay = Replay.of(run, lane, 2)
    x, _ = replay.examples("test")
    logits = replay.logits(x)
    assert np.allclose(logits.numpy(), block.logits, atol=1e-5)


def test_its_options_are_checked_by_its_class(folder):
    for change, message in {
        "members.options.center=3": r"members\.options: unknown key 'center'\. Did you mean 'cent",
        "members.options.centers=0": r"members\.options is .*'centers' must be >= 1",
        "members.options.scale=wide": r"members\.options is .*could not convert",
        "members.options={}": r"members\.options has no 'centers'; it is required",
        "members.options={scale=1}": r"members\.options has no 'centers'; it is required",
        "members.options=3": r"members\.options is 3; it must be a table",
        "members.hidden=[3]": "members.arch is 'radial', which uses options; omit hidden",
        "members.optoins.centers=3": "there is no section 'members.optoins'",
    }.items():
        with pytest.raises(RecipeError, match=message) as caught:
            presets.find("radial.toml", [change])
        assert "\n" not in str(caught.value)


def test_options_belong_to_the_recipe(folder):
    recipe, other = (presets.find("radial.toml", change) for change in ((), ["members.count=4"]))
    wide = presets.find("radial.toml", ["members.options.centers=9"])
    assert toml.from_table(tomllib.loads(toml.to_toml(recipe))) == recipe
    assert toml.differences(recipe, wide) == ["members.options"]
    assert len({toml.digest(r) for r in (recipe, other, wide)}) == 3
    assert hash(recipe) == hash(presets.find("radial.toml"))
    assert labels([recipe, wide], ["a", "b"]) == [
        "options centers 5/scale 0.5",
        "options centers 9/scale 0.5",
    ]


def test_a_budget_can_be_spent_on_it(folder):
    jtdiag("budget", "--params", "300", "--arch", "radial", "--data", "toy.npz", "--members", "2,4")
    recipe = presets.find("runs/toy-radial-4x10.toml")
    assert recipe.members.options == {"centers": 10}
    [two, _] = budget.plan(300, "radial", "toy.npz", [2, 4])
    assert two.width == 21


def test_it_is_listed_after_the_built_in_architectures(folder):
    assert ARCHITECTURES.names()[-1] == "radial"
    with pytest.raises(RecipeError, match=r"branches, chain, radial\. Did you mean 'radial'\?"):
        presets.find("radial.toml", ["members.arch=radail"])


def test_a_stack_of_another_kind_is_refused(folder):
    file = folder / "site" / "radial_members_of_a_test.py"
    file.write_text(CODE.replace("return ModuleStack(members.count, Radial)", "return [Radial]"))
    ran = CliRunner().invoke(main, ["train", "radial.toml"])
    assert ran.exit_code == 1
    assert "whose build returned a list; it must return a jtdiag.engine" in ran.output
