"""The page "Extending jtdiag" is a package: installed, all of its eight extensions work."""

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from jtdiag import Run
from jtdiag.commands import main

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
FLAGS = re.MULTILINE | re.DOTALL
KINDS = ("architectures", "datasets", "families", "rules", "probes", "figures", "sinks", "credits")


@pytest.fixture
def installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, dict[str, str]]]:
    """Install the package of the page; return its entry points by group."""
    blocks = re.findall(
        r"^```\w+\n(# (\w+\.(?:py|toml))\n.*?)^```$", PAGE.read_text("utf-8"), FLAGS
    )
    for code, name in blocks:
        (tmp_path / name).write_text(code, "utf-8")
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text("utf-8"))["project"]
    info = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join([*lines, ""]))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield project["entry-points"]
    for points in project["entry-points"].values():
        for value in points.values():
            sys.modules.pop(value.partition(":")[0], None)


def jtdiag(*arguments: str) -> str:
    ran = CliRunner().invoke(main, arguments)
    assert ran.exit_code == 0, ran.output
    return ran.output


@pytest.mark.slow
def test_the_package_of_the_page_extends_jtdiag_in_every_way(installed):
    assert installed.keys() == {f"jtdiag.{kind}" for kind in KINDS}
    assert all(len(points) == 1 for points in installed.values())
    trained = jtdiag("train", "extended.toml", "--sink", "jsonl=alerts.jsonl")
    assert "the ensemble's training error is" in trained
    run = Run("runs/extended")
    assert run.done
    assert (run.recipe.members.arch, run.recipe.data.name) == ("radial", "blobs")
    assert run.recipe.family == "exponential"
    assert run.checkpoint(run.lanes[0], 4)["centers"].shape == (3, 4, 2)
    alerts = [json.loads(line) for line in Path("alerts.jsonl").read_text("utf-8").splitlines()]
    assert {rule for _, rule, _ in alerts} >= {"learned"}
    assert "spread is" in jtdiag("probe", "runs/extended", "spread", "performance")
    lines = jtdiag("plot", "runs/extended", "error-by-trial").splitlines()
    drawn = [line for line in lines if line.startswith("runs/")]
    assert [Path(name).name for name in drawn] == ["error-by-trial.pdf", "error-by-trial.png"]


@pytest.mark.slow
def test_the_credit_of_the_page_trains_hidden_modules(installed):
    jtdiag("train", "feedback.toml")
    run = Run("runs/feedback")
    lane = run.lanes[0]
    first, last = run.auxiliaries(lane, 0), run.auxiliaries(lane, 5)
    assert first.keys() == {f"auxiliary/layer{i}.feedback" for i in (1, 2)}
    assert all((first[name] == last[name]).all() for name in first)  # fixed matrices
    moved = run.checkpoint(lane, 5)["layer1.weight"] != run.checkpoint(lane, 0)["layer1.weight"]
    assert moved.any()
    error = run.metrics()["ensemble_error"].sel(split="test", epoch=5)
    assert float(error.max()) < 0.2  # 90 % at chance


def test_every_extension_is_one_file():
    files = re.findall(r"^# (example_\w+)\.py$", PAGE.read_text("utf-8"), flags=re.M)
    assert len(files) == len(set(files)) == len(KINDS)
