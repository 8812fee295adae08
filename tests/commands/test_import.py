"""`jtdiag import` makes runs of files that another program has written."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from jtdiag import Run
from jtdiag.commands import main

M, N, K = 3, 40, 4
TARGETS = np.arange(N) % K
RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(M, N, K)) + 2 * np.eye(K)[TARGETS]


def jtdiag(*arguments):
    return CliRunner().invoke(main, ["import", *map(str, arguments)])


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("test.npy", LOGITS)
    np.save("y.npy", TARGETS)
    np.savez("both.npz", test=LOGITS, test_targets=TARGETS)
    for j, member in enumerate(LOGITS):
        np.save(f"m{j}.npy", member)
    return tmp_path


@pytest.mark.parametrize(
    "files",
    [
        ("test.npy", "--targets", "y.npy"),
        ("test=test.npy", "--targets", "test=y.npy"),
        ("m0.npy", "m1.npy", "m2.npy", "--targets", "y.npy"),
        ("both.npz",),
    ],
)
def test_every_way_to_give_logits_makes_the_same_run(files):
    ran = jtdiag(*files, "--lam", 1, "--epochs", 7, "--out", "runs/it", "-q")
    assert (ran.exit_code, ran.output) == (0, "")
    run = Run("runs/it")
    [block] = run.outputs(run.lanes[0], 7, "test")
    np.testing.assert_allclose(block.logits, LOGITS.astype(np.float32))
    np.testing.assert_array_equal(block.target, TARGETS)


@pytest.mark.slow
def test_the_answer_is_printed_and_what_is_unknown():
    ran = jtdiag("both.npz", "--lam", 0, "--out", "runs/it")
    assert ran.exit_code == 0, ran.output
    lines = ran.stdout.splitlines()
    assert lines[0] == (
        "Wrote runs/it: 3 members, 1 epoch, 40 examples of test. Unknown: data, architecture, "
        "optimizer, and weights."
    )
    assert "  jtdiag report runs/it" in lines[-3:]
    assert len(lines) <= 25
    ran = jtdiag("both.npz", "--lam", 0, "--out", "runs/again", "--json")
    assert json.loads(ran.stdout).keys() == {"run", "answer", "findings"}


@pytest.mark.slow
def test_files_of_the_program_of_the_paper():
    """Test logits of two epochs, and metrics of training by epoch."""
    np.save("logits.npy", np.stack([LOGITS, LOGITS]))
    losses, errors = RANDOM.random((5, M)), RANDOM.random((5, M))
    columns = [RANDOM.random(5), losses.mean(1), RANDOM.random(5), losses, errors, losses]
    np.save("train.npy", np.column_stack(columns))
    arguments = ("logits.npy", "--targets", "y.npy", "--metrics", "train=train.npy")
    ran = jtdiag(*arguments, "--epochs", "2,5", "--lam", 0.9, "--out", "runs/it", "-q")
    assert (ran.exit_code, ran.output) == (0, "")
    metrics = Run("runs/it").metrics().isel(lam=0, trial=0).sel(split="train")
    np.testing.assert_allclose(metrics["member_error"].sel(epoch=[1, 2, 3, 4, 5]), errors)


@pytest.mark.slow
def test_weights_are_evaluated_by_a_factory_in_a_file(folder):
    (folder / "net.py").write_text(
        "from torch import nn\n\ndef make():\n    return nn.Linear(4, 4)\n"
    )
    x = RANDOM.normal(size=(N, 4)).astype(np.float32)
    np.savez("data.npz", x_train=x, y_train=TARGETS, x_test=x, y_test=TARGETS)
    members = [nn.Linear(4, 4) for _ in range(M)]
    torch.save(nn.ModuleList(members).state_dict(), "members.pt")
    options = ("--factory", "net.py:make", "--data", "data.npz", "--lam", 0, "--out", "runs/it")
    ran = jtdiag("members.pt", *options, "-q")
    assert ran.exit_code == 0, ran.output
    run = Run("runs/it")
    [block] = run.outputs(run.lanes[0], 1, "test")
    with torch.no_grad():
        expected = torch.stack([member(torch.tensor(x)) for member in members])
    np.testing.assert_allclose(block.logits, expected, atol=1e-6)


REFUSED = {
    "no targets": (("test.npy",), "but no targets", 1),
    "no file": (("none.npy",), "none.npy: there is no such file", 1),
    "no array": (("text.npy",), "text.npy is not a complete file of NumPy", 1),
    "objects": (("objects.npy",), "objects.npy contains Python objects", 1),
    "other names": (("other.npz",), "its arrays are a, b; logits must be named test", 1),
    "targets twice": (("both.npz", "--targets", "y.npy"), "two arrays of targets for test", 1),
    "not one of each": (("test.npy", "m0.npy"), "one file for each member", 1),
    "factory alone": (("m.pt", "--factory", "a.py:b"), "belong together", 2),
    "epochs": (("both.npz", "--epochs", "many"), "'many' is not a number of epochs", 2),
    "metrics of weights": (
        ("m.pt", "--factory", "a.py:b", "--data", "digits", "--metrics", "y.npy"),
        "are for logits",
        2,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_mistake_is_one_line_and_nothing_is_written(name, folder):
    (folder / "text.npy").write_text("no array")
    np.save("objects.npy", np.array([{}, None]), allow_pickle=True)
    np.savez("other.npz", a=LOGITS, b=TARGETS)
    arguments, message, status = REFUSED[name]
    ran = jtdiag(*arguments, "--lam", 1, "--out", "runs/it")
    assert ran.exit_code == status, ran.output
    assert message in ran.stderr
    assert ran.stderr.splitlines()[-1].startswith("Error: ")
    assert not (folder / "runs").exists()
