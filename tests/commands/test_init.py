"""`jtdiag init` writes a recipe that fits the data and can be trained."""

import numpy as np
import pytest
from click.testing import CliRunner

from jtdiag.commands import main
from jtdiag.recipe import presets


def jtdiag(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def save(name, x, y):
    np.savez(name, x_train=x[20:], y_train=y[20:], x_test=x[:20], y_test=y[:20])


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


RANDOM = np.random.default_rng(0)
CASES = {
    "features": (RANDOM.normal(size=(120, 4)), np.arange(120) % 3),
    "images": (RANDOM.random((120, 6, 6)), np.arange(120) % 3),
    "names": (RANDOM.normal(size=(120, 4)), np.array(["ash", "oak"])[np.arange(120) % 2]),
    "numbers": (RANDOM.normal(size=(120, 4)), RANDOM.normal(size=120)),
    "two numbers": (RANDOM.normal(size=(120, 4)), RANDOM.normal(size=(120, 2))),
    "whole numbers in floating point": (RANDOM.normal(size=(120, 4)), np.arange(120) % 3.0),
    "few": (RANDOM.normal(size=(25, 4)), np.arange(25) % 2),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_recipe_fits_the_data(name):
    x, y = CASES[name]
    save("mine.npz", x, y)
    ran = jtdiag("init", "mine.npz")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        "Wrote mine.toml.",
        "Next:",
        "  jtdiag train mine.toml --dry-run",
        "  jtdiag train mine.toml",
    ]
    recipe = presets.find("mine.toml")
    assert recipe.name == "mine"
    assert recipe.family == ("gaussian" if name in ("numbers", "two numbers") else "categorical")
    train = len(x) - 20 - recipe.data.val
    assert recipe.train.epochs == 200 or recipe.train.epochs * train >= 1500 * recipe.train.batch
    dry = jtdiag("train", "mine.toml", "--dry-run", "--set", "engine.threads=1")
    assert dry.exit_code == 0, dry.output


def test_a_named_data_set_needs_no_file():
    assert jtdiag("init", "fashion-mnist").exit_code == 0
    recipe = presets.find("fashion-mnist.toml")
    assert (recipe.data.val, recipe.train.batch, recipe.train.epochs) == (10_000, 100, 10)


def test_channels_last_are_in_the_recipe():
    save("mine.npz", RANDOM.random((120, 3, 8, 3)), np.arange(120) % 3)
    refused = jtdiag("init", "mine.npz")
    assert refused.exit_code == 1
    assert "--layout" in refused.stderr
    assert jtdiag("init", "mine.npz", "--layout", "nhwc").exit_code == 0
    assert presets.find("mine.toml").data.layout == "nhwc"


@pytest.mark.parametrize("data", ["none.npz", "cifar", "empty.npz"])
def test_data_that_cannot_be_read_are_one_line_and_nothing_is_written(tmp_path, data):
    np.savez("empty.npz", other=np.ones(3))
    ran = jtdiag("init", data)
    assert ran.exit_code == 1
    assert ran.stderr.startswith("Error: ")
    assert ran.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["empty.npz"]


def test_a_recipe_is_not_overwritten(tmp_path):
    (tmp_path / "digits.toml").write_text("mine")
    ran = jtdiag("init", "digits")
    assert ran.exit_code == 1
    assert "digits.toml exists" in ran.stderr
    assert (tmp_path / "digits.toml").read_text() == "mine"
