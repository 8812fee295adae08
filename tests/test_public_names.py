import subprocess
import sys
from importlib.metadata import version

import pytest
import torch

import jtdiag


def test_every_public_name_can_be_imported():
    for name in jtdiag.__all__:
        assert getattr(jtdiag, name).__doc__, name


def test_the_public_names_are_few():
    assert set(jtdiag.__all__) == {
        "DominanceMonitor",
        "JtdiagError",
        "Recipe",
        "Run",
        "Var",
        "advise",
        "answer",
        "asks",
        "find_recipe",
        "from_logits",
        "from_state_dicts",
        "joint_loss",
        "merge",
        "plot",
        "probe",
        "report",
        "table",
        "train",
        "watch_branches",
    }


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'jtdiag' has no attribute 'dominance'"):
        _ = jtdiag.dominance


def test_the_version_is_that_of_the_distribution():
    assert jtdiag.__version__ == version("jtdiag")


@pytest.mark.slow
def test_importing_jtdiag_imports_nothing_heavy():
    code = "import sys, jtdiag; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    modules = set(ran.stdout.split())
    assert "jtdiag" in modules
    assert not modules & {"torch", "xarray", "zarr", "matplotlib", "scipy", "sklearn"}


@pytest.mark.slow
def test_everything_the_commands_do_is_a_few_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = jtdiag.find_recipe("demo", ("train.epochs=1", "trials=1", "lam=[0.9]"))
    run = jtdiag.train(recipe)
    assert run.path.resolve() == tmp_path / "runs" / "demo"
    assert "metrics" in jtdiag.Run("runs/demo").tree
    assert float(jtdiag.probe(run, "performance")["ensemble_error"].max()) <= 1
    loss = jtdiag.joint_loss(torch.zeros(4, 2, 10), torch.tensor([3, 4]), lam=0.9)
    assert float(loss) == pytest.approx(float(torch.log(torch.tensor(10.0))))
