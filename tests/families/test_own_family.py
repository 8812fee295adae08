"""The family of the manual, added as a user would: one file, named by a recipe."""

import dataclasses
import re
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from jtdiag import Run, families
from jtdiag.commands import main
from jtdiag.probing.registry import PROBES
from jtdiag.testing import FamilyPromises
from jtdiag_probes.diversity import diversity

PAGE = Path(__file__).parents[2] / "docs" / "families.md"
RECIPE = """
family = "waiting.py:Exponential"
lam = [0, 0.9]
combiner = "{combiner}"
[data]
name = "waits.npz"
val = 20
[members]
arch = "mlp"
count = 3
hidden = [8]
[train]
epochs = 2
batch = 20
lr = 0.05
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the manual's files and data."""
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S):
        named = re.match(r"# (\w+\.py)\n", block)
        if named:
            (tmp_path / named[1]).write_text(block, "utf-8")
    random = np.random.default_rng(0)
    x = random.normal(size=(120, 4))
    y = random.exponential(np.exp(x[:, :1]), (120, 2))
    np.savez(tmp_path / "waits.npz", x_train=x[:80], y_train=y[:80], x_test=x[80:], y_test=y[80:])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def jtdiag(*arguments):
    ran = CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return ran.output


@pytest.mark.one_in(2)
@pytest.mark.slow
@pytest.mark.parametrize("combiner", families.COMBINERS)
def test_it_trains_and_every_probe_and_figure_works(folder, combiner):
    (folder / "waits.toml").write_text(RECIPE.format(combiner=combiner), "utf-8")
    jtdiag("train", "waits.toml")
    jtdiag("probe", "runs/waits")
    jtdiag("plot", "runs/waits")
    run = Run("runs/waits")
    apply = [name for name in PROBES.names() if PROBES.find(name).applies(run)]
    assert {"capacity", "combiners", "diversity", "dominance", "performance"} <= set(apply)
    assert {path.stem for path in (run.path / "results").glob("*.zarr")} == set(apply)
    assert "ALERT Self-test" not in jtdiag("probe", "runs/waits", "--force", "diversity")
    assert run.error_measure == "fraction of deviance unexplained"
    assert run.chance_error == 1.0
    [block] = run.outputs(run.lanes[0], 2, "test")
    assert (block.logits < 0).all()
    assert block.target.shape == (40, 2)


def test_it_keeps_its_promises(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    asked = import_module("test_waiting").TestExponential()
    promises = [name for name in dir(asked) if name.startswith("test_")]
    assert len(promises) == 7
    for name in promises:
        getattr(asked, name)()
    del sys.modules["test_waiting"], sys.modules["waiting"]


@pytest.mark.slow
def test_a_changed_family_makes_results_stale(folder):
    (folder / "waits.toml").write_text(RECIPE.format(combiner="logits"), "utf-8")
    jtdiag("train", "waits.toml", "-q", "--set", "train.epochs=1", "--set", "lam=0")
    assert "diversity: running" in jtdiag("probe", "runs/waits", "diversity")
    assert "diversity: up to date" in jtdiag("probe", "runs/waits", "diversity")
    with (folder / "waiting.py").open("a") as file:
        file.write("# changed\n")
    assert "diversity: running" in jtdiag("probe", "runs/waits", "diversity")


@pytest.mark.slow
def test_a_probe_about_classes_is_passed_over(folder, monkeypatch):
    (folder / "waits.toml").write_text(RECIPE.format(combiner="logits"), "utf-8")
    jtdiag("train", "waits.toml", "-q", "--set", "train.epochs=1", "--set", "lam=0")
    about_classes = dataclasses.replace(diversity.probe, classes_only=True)
    monkeypatch.setattr(diversity, "probe", about_classes)
    assert "diversity: skipped, not applicable to this run." in jtdiag("probe", "runs/waits", "-v")
    ran = CliRunner().invoke(main, ["probe", "runs/waits", "diversity"])
    assert ran.exit_code == 1
    assert "single-label classification only" in ran.output


@pytest.mark.slow
def test_a_probe_asked_from_another_folder_says_what_it_misses(folder, monkeypatch):
    (folder / "waits.toml").write_text(RECIPE.format(combiner="logits"), "utf-8")
    jtdiag("train", "waits.toml", "-q", "--set", "train.epochs=1", "--set", "lam=0")
    monkeypatch.chdir("/")
    ran = CliRunner().invoke(main, ["probe", str(folder / "runs" / "waits"), "diversity"])
    assert ran.exit_code == 1
    assert "family is 'waiting.py:Exponential'; there is no file waiting.py." in ran.output


class TestCategorical(FamilyPromises):
    family = families.find("categorical")
    target = np.array([0, 2, 1])
    outputs = 3


class TestGaussian(FamilyPromises):
    family = families.find("gaussian")
    target = np.array([[0.5], [-3.0]])
    outputs = 1


class TestPoisson(FamilyPromises):
    family = families.find("poisson")
    target = np.array([[0, 3], [7, 1]])
    outputs = 2


class TestBernoulli(FamilyPromises):
    family = families.find("bernoulli")
    target = np.array([[0, 1], [1, 1]])
    outputs = 2
