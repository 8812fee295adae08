import json
import sys

import pytest
from click.testing import CliRunner

from jtdiag.commands import main

SMALL = (
    *("--data", "digits", "--params", "700", "--members", "2"),
    *("--set", "lam=[1]", "--set", "train.epochs=1", "--set", "train.batch=200"),
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def advise(*arguments):
    return CliRunner().invoke(main, ["advise", *arguments])


@pytest.mark.slow
def test_the_search_ends_with_the_answer_and_is_continued_by_the_same_command(folder):
    ran = advise(*SMALL, "--hours", "1e-9")  # over before anything is trained
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.splitlines()[-1].startswith("The limit ended the search")
    ran = advise(*SMALL, "--hours", "0.005", "--json")
    answer = json.loads(ran.stdout)
    assert answer["recommended"] in {"2-members-lam-1", "2-members-bagging"}
    assert {c["name"] for c in answer["candidates"]} == {"2-members-lam-1", "2-members-bagging"}
    assert (folder / answer["recipe"]).exists()
    ran = advise(*SMALL, "--hours", "0.0001")
    lines = ran.stdout.splitlines()
    assert any(line.startswith("Recommended: 2 ") for line in lines)
    assert lines[-2:] == ["Next:", "  jtdiag train runs/advice-digits-mlp-700/recipe.toml"]
    quiet = advise(*SMALL, "--hours", "0.0001", "-q")
    assert (quiet.exit_code, quiet.output) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "digits", "--params", "5"), "increase --params"),
        (("--data", "nothing", "--params", "500"), "no dataset 'nothing'"),
        (("--data", "digits", "--params", "500", "--hours", "-1"), "--hours is -1.0"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(folder, arguments, message):
    ran = advise(*arguments)
    assert ran.exit_code == 1
    assert message in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert list(folder.iterdir()) == []


def test_optuna_that_is_missing_is_one_line(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    ran = advise(*SMALL)
    assert ran.exit_code == 1
    assert ran.stderr == (
        "Error: Advice needs Optuna, which is not installed; install it with: "
        "pip install 'jtdiag[advise]'.\n"
    )
    assert list(folder.iterdir()) == []
