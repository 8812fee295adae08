import math
import subprocess
import sys

import pytest
import torch

from jtdiag.engine.architectures import build
from jtdiag.engine.architectures.mlp_stack import MLP
from jtdiag.errors import RecipeError
from jtdiag.recipe import presets, toml
from jtdiag.workflows.demo import ALL_LANES

GRID = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 1.0)

# Webb et al. 2020, Sec. 4, and the authors' code: members, hidden units, seed, and how many
# numbers all members have together.
FASHION = [
    ("fashion-1x1024", 1, 1024, 42083, 814_090),
    ("fashion-16x64", 16, 64, 36734, 814_240),
    ("fashion-64x16", 64, 16, 48636, 814_720),
    ("fashion-256x4", 256, 4, 44826, 816_640),
]

# The same, Table 1 and Fig. 4 and 5: members, and parameters of one.
CIFAR = [
    ("cifar100-dn-high", 4, 800_032),
    ("cifar100-dn-mid", 8, 266_556),
    ("cifar100-dn-low", 16, 105_316),
    ("cifar100-conv-16", 16, 76_260),
    ("cifar100-conv-32", 16, 290_660),
    ("cifar100-conv-48", 16, 643_300),
    ("cifar100-conv-64", 16, 1_134_180),
    ("cifar10-conv", 10, 279_050),
]


@pytest.mark.parametrize("name", presets.paths())
def test_every_preset_is_a_recipe_of_its_name(name):
    recipe = presets.find(name)
    assert recipe.name == name
    assert recipe == toml.read(presets.paths()[name])


@pytest.mark.parametrize("name", presets.paths())
def test_every_preset_says_in_its_first_line_what_it_is_for(name):
    path = presets.paths()[name]
    sentence = presets.describe(path)
    assert path.read_text("utf-8").startswith(f"# {sentence}\n")
    assert sentence[0] != "#"
    assert sentence.endswith(".")


def test_the_demo_and_the_papers_four_are_there():
    assert set(presets.paths()) >= {"demo", *(name for name, *_ in FASHION)}
    assert list(presets.paths()) == sorted(presets.paths())


@pytest.mark.parametrize(("name", "count", "hidden", "seed", "_"), FASHION)
def test_the_fashion_presets_have_the_papers_hyper_parameters(name, count, hidden, seed, _):
    recipe = presets.find(name)
    assert (recipe.data.name, recipe.data.val) == ("fashion-mnist", 10_000)
    assert (recipe.members.arch, recipe.members.count) == ("mlp", count)
    assert recipe.members.hidden == (hidden,)
    assert (recipe.trials, recipe.seed) == (5, seed)
    train = recipe.train
    assert (train.epochs, train.batch, train.momentum) == (200, 100, 0.9)
    assert (train.nesterov, train.weight_decay, train.milestones) == (False, 0.0, ())
    assert recipe.lam == (GRID if count > 1 else (1.0,))
    for index, lam in enumerate(recipe.lam):
        per_member = 0.006 if lam >= 0.99 and count > 1 else 0.02
        assert recipe.lr(index, 200) == pytest.approx(count * per_member, rel=1e-15)


@pytest.mark.parametrize(("name", "count", "hidden", "_", "parameters"), FASHION)
def test_the_fashion_presets_have_the_papers_size(name, count, hidden, _, parameters):
    members = presets.find(name).members
    stack = MLP(members.count, (1, 28, 28), members.hidden, 10)
    per_member = sum(math.prod(p.shape) for p in stack.parameters.values())
    assert count * per_member == parameters
    assert count * (784 * hidden + hidden + hidden * 10 + 10) == parameters


@pytest.mark.slow
@pytest.mark.parametrize(("name", "count", "each"), CIFAR)
def test_the_cifar_presets_have_the_papers_size(name, count, each):
    members = presets.find(name).members
    with torch.device("meta"):
        stack = build(members, (3, 32, 32), 10 if name.startswith("cifar10-") else 100)
    assert members.count == count
    assert sum(math.prod(p.shape) for p in stack.parameters.values()) == each


@pytest.mark.parametrize("name", [name for name, *_ in CIFAR])
def test_the_cifar_presets_have_the_papers_hyper_parameters(name):
    recipe, dense = presets.find(name), "-dn-" in name
    train, keep = recipe.train, recipe.keep
    assert recipe.data.name == f"data/{name.split('-')[0]}.npz"
    assert recipe.data.augment == ("crop", "flip")
    assert (train.momentum, train.nesterov, train.schedule) == (0.9, False, "milestones")
    assert {1, 2, 3, "last"} <= set(keep.outputs)
    assert {0, 3, "last"} <= set(keep.checkpoints)
    rates = [recipe.lr(i, 1) for i in range(len(recipe.lam))]
    if dense:
        assert (recipe.lam, recipe.trials, recipe.seed) == ((0.0, 0.5, 0.9, 1.0), 3, 99283)
        assert (recipe.data.val, train.epochs, train.batch) == (0, 300, 64)
        assert (train.weight_decay, train.milestones) == (1e-4, (150, 225))
        assert recipe.members.reduction == 0.5
        assert rates == [0.1] * 4
        assert [recipe.lr(0, e) for e in (150, 151, 226)] == pytest.approx([0.1, 0.01, 0.001])
    else:
        assert recipe.lam == (0.0, 0.5, 0.8, 0.9, 0.95, 0.97, 0.99, 1.0)
        assert (recipe.trials, recipe.seed, recipe.data.val) == (5, 36734, 10_000)
        assert (train.epochs, train.batch) == (400, 100)
        assert (train.weight_decay, train.milestones) == (0.0, ())
        assert recipe.members.strides == (1, 2, 1, 2, 1)
        scale = recipe.members.count / 10
        assert rates == pytest.approx([scale * 0.06] * 7 + [scale * 0.02])
        assert {"best"} <= set(keep.outputs) & set(keep.checkpoints)


def test_figures_of_the_fashion_presets_find_what_they_need():
    for name, *_ in FASHION:
        keep = presets.find(name).keep
        assert {1, 2, 3, "best", "last"} <= set(keep.outputs)
        assert {0, 1, 2, 3, "best", "last"} <= set(keep.checkpoints)
        assert "test" in keep.splits


def test_a_preset_is_found_by_its_name_with_changes():
    recipe = presets.find("fashion-256x4", ("lam=[0, 0.99]", "train.epochs=3", "data.root=../d"))
    assert (recipe.lam, recipe.train.lr) == ((0.0, 0.99), (5.12, 1.536))
    assert (recipe.train.epochs, recipe.data.root) == (3, "../d")


def test_a_recipe_is_found_by_its_path_and_in_a_runs_folder(tmp_path):
    recipe = presets.find("demo", ("trials=2",))
    (tmp_path / "recipe.toml").write_text(toml.to_toml(recipe), encoding="utf-8")
    assert presets.find(str(tmp_path / "recipe.toml")) == recipe
    assert presets.find(str(tmp_path)) == recipe
    assert presets.find(str(tmp_path), ("trials=1",)).trials == 1


def test_a_folder_of_that_name_does_not_hide_a_preset(tmp_path, monkeypatch):
    (tmp_path / "demo").mkdir()
    monkeypatch.chdir(tmp_path)
    assert presets.find("demo").name == "demo"


def test_an_unknown_preset_is_answered_by_the_nearest_one():
    with pytest.raises(RecipeError) as caught:
        presets.find("fashion-256x5")
    assert str(caught.value) == (
        "There is no preset or recipe file 'fashion-256x5'. Did you mean 'fashion-256x4'? "
        "`jtdiag presets` lists the presets."
    )


def test_a_missing_file_is_no_unknown_preset():
    with pytest.raises(RecipeError, match=r"^demo\.toml: cannot be read"):
        presets.find("demo.toml")


@pytest.mark.slow
def test_reading_recipes_of_every_architecture_imports_no_torch():
    code = (
        "import sys; from jtdiag.recipe import presets, studies\n"
        "from jtdiag.recipe.members import ARCHITECTURES\n"
        "read = [presets.find(name) for name in presets.paths()]\n"
        "assert {r.members.arch for r in read} >= {'mlp', 'conv', 'densenet', 'resnext'}\n"
        "assert len(ARCHITECTURES.all()) >= 6\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_demo_trains_all_its_lanes_together():
    recipe = presets.find("demo", [ALL_LANES])
    assert recipe.engine.lanes == len(recipe.lam) * recipe.trials
