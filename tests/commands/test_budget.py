import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from jtdiag.commands import main
from jtdiag.recipe import presets

PAPER = {
    "--params": "814090",
    "--arch": "mlp",
    "--data": "fashion-mnist",
    "--members": "1,16,64,256",
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def budget(**changes):
    options = {**PAPER, **{f"--{name}": value for name, value in changes.items()}}
    arguments = [word for pair in options.items() for word in pair]
    return CliRunner().invoke(main, ["budget", *arguments])


def test_the_table_has_a_line_for_each_number_of_members():
    ran = budget()
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.splitlines()[:5] == [
        "members   width  parameters per member            total  difference",
        "      1    1024                814,090          814,090     +0.00 %",
        "     16      64                 50,890          814,240     +0.02 %",
        "     64      16                 12,730          814,720     +0.08 %",
        "    256       4                  3,190          816,640     +0.31 %",
    ]


def test_the_same_as_one_object_or_nothing(folder):
    arguments = [word for pair in PAPER.items() for word in pair]
    ran = CliRunner().invoke(main, ["budget", *arguments, "--json"])
    planned = json.loads(ran.output)["configurations"]
    assert [(c["members"], c["width"], c["parameters"]) for c in planned] == [
        (1, 1024, 814_090), (16, 64, 814_240), (64, 16, 814_720), (256, 4, 816_640)
    ]  # fmt: skip
    assert all((folder / c["recipe"]).exists() for c in planned)
    quiet = CliRunner().invoke(main, ["budget", *arguments, "--out", "other", "-q"])
    assert (quiet.exit_code, quiet.output) == (0, "")
    assert len(list((folder / "other").iterdir())) == 4


def test_recipes_go_to_runs_and_each_is_named(folder):
    lines = budget().stdout.splitlines()[5:]
    names = [f"fashion-mnist-mlp-{size}" for size in ("1x1024", "16x64", "64x16", "256x4")]
    assert lines == [f"Wrote runs/{name}.toml." for name in names]
    for name in names:
        assert presets.find(f"runs/{name}.toml").name == name
    assert {path.name for path in folder.rglob("*")} == {"runs", *(f"{n}.toml" for n in names)}


def test_another_folder_can_be_named(folder):
    assert budget(out="a/b").exit_code == 0
    assert len(list((folder / "a" / "b").glob("*.toml"))) == 4
    assert not (folder / "runs").exists()


def test_the_table_is_told_before_a_file_in_the_way_is(folder):
    budget(members="256")
    ran = budget()
    assert ran.exit_code == 1
    assert len(ran.stdout.splitlines()) == 5
    assert ran.stderr == (
        "Error: runs/fashion-mnist-mlp-256x4.toml exists; "
        "move it, or choose another folder with --out.\n"
    )
    assert len(list((folder / "runs").iterdir())) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"params": "200000"}, "256 members of the smallest width have 206,080; increase --params"),
        ({"params": "0"}, "--params is 0"),
        ({"data": "mnist"}, "no dataset 'mnist'"),
        ({"data": "nowhere.npz"}, "nowhere.npz: there is no such .npz archive"),
        ({"data": "digits", "arch": "conv"}, "images of at least 21x21 pixels"),
        ({"arch": "cnov"}, "must be one of mlp, conv, densenet. Did you mean 'conv'?"),
    ],
    ids=str,
)
def test_a_users_mistake_is_one_line_and_nothing_is_written(changes, message, folder):
    ran = budget(**changes)
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert ran.stderr.startswith("Error: ")
    assert ran.stderr.count("\n") == 1
    assert message in ran.stderr
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("members", ["", "1,x", "0,1", "1,16,1", "-4", "1;2", "1,,2", "²"])
def test_members_that_are_no_list_of_different_numbers_are_not_understood(members):
    ran = budget(members=members)
    assert ran.exit_code == 2
    assert "must be distinct positive integers separated by commas, such as 1,16,64." in ran.stderr


def test_spaces_between_the_numbers_do_no_harm():
    assert budget(members="16, 64").exit_code == 0


@pytest.mark.slow
def test_planning_imports_no_torch():
    code = "import sys, jtdiag.recipe.budget; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
