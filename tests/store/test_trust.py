"""Reading a run that somebody else made executes no code of theirs."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from jtdiag import Run
from jtdiag.commands import main
from jtdiag.engine.train import train
from jtdiag.errors import StoreError
from jtdiag.recipe import toml
from jtdiag.replay import Replay
from jtdiag.store import trust

EVIL = """
from pathlib import Path
import torch
from jtdiag.families.gaussian import Gaussian

Path({witness!r}).touch()

class Mine(Gaussian):
    pass

def member():
    return torch.nn.Linear(4, 2)

def data():
    import numpy as np
    with np.load("data.npz") as arrays:
        return [arrays[key] for key in ("x_train", "y_train", "x_test", "y_test")]
"""
RECIPE = """
family = "{family}"
lam = [0, 1]
[data]
name = "{data}"
val = 20
[members]
arch = "module"
count = 2
factory = "{factory}"
[train]
epochs = 1
batch = 20
lr = 0.01
"""


@pytest.fixture(autouse=True)
def witness(tmp_path, monkeypatch):
    """The file that the code of the run touches when it is executed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv(trust.VARIABLE, raising=False)
    path = tmp_path / "executed"
    (tmp_path / "theirs.py").write_text(EVIL.format(witness=str(path)))
    (tmp_path / "honest.py").write_text(
        "import torch\n\ndef member():\n    return torch.nn.Linear(4, 2)\n"
    )
    rng = np.random.default_rng(0)
    arrays = {f"x_{part}": rng.normal(size=(40, 4)) for part in ("train", "test")}
    arrays |= {f"y_{part}": rng.normal(size=(40, 2)) for part in ("train", "test")}
    np.savez(tmp_path / "data.npz", **arrays)
    return path


@pytest.fixture(params=["family", "factory", "both", "data"])
def trained(request, tmp_path, witness):
    names = {"family": "gaussian", "factory": "theirs.py:member", "data": "data.npz"}
    if request.param in ("family", "both"):
        names["family"] = "theirs.py:Mine"
    if request.param == "data":
        names["factory"], names["data"] = "honest.py:member", "theirs.py:data"
    (tmp_path / "run.toml").write_text(RECIPE.format(**names))
    run = train(toml.read(tmp_path / "run.toml"), tmp_path / "run")
    witness.unlink()
    return run


@pytest.fixture
def sent(trained, tmp_path):
    """The run as it arrives at somebody who did not make it."""
    shutil.rmtree(tmp_path / "state")
    return Run(trained.path)


def replay(run):
    return Replay.of(run, run.lanes[0], 1).loss


def ask(command, path, *options):
    return CliRunner().invoke(main, [command, str(path), *options])


@pytest.mark.slow
def test_a_run_that_was_made_here_is_read_as_ever(trained, witness):
    assert trained.metrics().sizes["epoch"] == 2
    assert replay(trained)
    assert witness.exists()


@pytest.mark.slow
def test_a_run_that_was_moved_is_still_the_one_that_was_made_here(trained, tmp_path):
    trained.path.rename(tmp_path / "elsewhere")
    assert replay(Run(tmp_path / "elsewhere"))


@pytest.mark.slow
def test_no_command_executes_the_code_of_a_run_that_was_sent(sent, witness, tmp_path):
    for command in ("report", "table", "probe", "plot", "check"):
        ran = ask(command, sent.path)
        assert "Traceback" not in ran.output, ran.output
        assert not witness.exists(), command
    ran = ask("watch", sent.path, "--once")
    assert not witness.exists()
    ran = CliRunner().invoke(main, ["compare", str(sent.path), str(sent.path)])
    assert not witness.exists()
    for options in ([], ["--resume"], ["--out", str(tmp_path / "new")]):
        ran = ask("train", sent.path, *options)
        assert ran.exit_code == 1
        assert "use --trust-code" in ran.stderr
        assert not witness.exists()


@pytest.mark.slow
def test_python_asks_too_and_is_told_to_trust(sent, witness):
    with pytest.raises(StoreError, match="names code that reading it would execute"):
        replay(sent)
    assert not witness.exists()
    assert replay(Run(sent.path, trust_code=True))
    assert witness.exists()


@pytest.mark.slow
def test_the_command_line_trusts_where_it_is_told_to(sent, witness, monkeypatch):
    monkeypatch.setenv(trust.VARIABLE, "0")  # and is put back afterwards
    ran = ask("probe", sent.path, "--trust-code", "--force")
    assert ran.exit_code == 0, ran.output
    assert witness.exists()


@pytest.mark.slow
def test_an_edited_recipe_makes_nothing_trusted(trained, witness):
    path = trained.path / "recipe.toml"
    path.write_text(path.read_text().replace("py:member", "py:other"))
    with pytest.raises(StoreError, match="is not the recipe that this run was made with"):
        Run(trained.path)
    assert not witness.exists()


def test_a_recipe_without_code_needs_no_trust(small_run):
    assert trust.code_in(small_run.recipe) == []
    small_run.require_trusted_code()


def test_where_nothing_can_be_remembered_training_goes_on(trained, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    trust.remember(trained.path, trained.recipe)
    with pytest.raises(StoreError, match="--trust-code"):
        trust.require(trained.path, trained.recipe)


@pytest.mark.slow
def test_a_run_whose_training_is_killed_as_soon_as_it_appears_is_trusted(trained, tmp_path):
    """The run is remembered before it appears: else it could not be resumed without a word."""
    table = toml.to_table(trained.recipe)
    appeared = []
    rename = Path.replace

    def killed(draft, target):
        moved = rename(draft, target)
        if (Path(target) / "recipe.toml").is_file():
            appeared.append(Path(target))
            raise KeyboardInterrupt
        return moved

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            train(toml.from_table({**table, "seed": 5}), tmp_path / "killed")
    Run(appeared[0]).require_trusted_code()
