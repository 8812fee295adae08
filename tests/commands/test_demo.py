import re
import shutil

import pytest
from click.testing import CliRunner

from jtdiag import Run
from jtdiag.commands import main
from jtdiag.probing import findings, results
from jtdiag.recipe import presets
from jtdiag.report.answer import sentences
from jtdiag.report.evidence import gather
from jtdiag.tables.performance import performance_rows
from jtdiag.workflows.demo import FIGURES

MOST_LINES = 40


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """Shorten the demo to four epochs of one trial."""
    text = (presets.folder() / "demo.toml").read_text(encoding="utf-8")
    folder = tmp_path_factory.mktemp("presets")
    text = re.sub(r"trials = \d+", "trials = 1", text)
    text = re.sub(r"epochs = \d+", "epochs = 4", text)
    (folder / "demo.toml").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(presets, "folder", lambda: folder)
        assert presets.find("demo").train.epochs == 4
        assert presets.find("demo").trials == 1
        yield


@pytest.fixture(scope="module")
def first(short, tmp_path_factory):
    """The demo in the folder `d` of a folder, and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder, demo("d")


def demo(out, *options):
    return CliRunner().invoke(main, ["demo", "--out", str(out), *options])


@pytest.mark.slow
def test_the_demo_ends_with_the_answer_and_shows_it_again(first, monkeypatch):
    folder, first = first
    monkeypatch.chdir(folder)
    assert (first.exit_code, first.stderr) == (0, "")
    run, lines = Run("d"), first.stdout.splitlines()
    assert run.done
    assert len(lines) <= MOST_LINES

    answers = sentences(gather(run))
    assert len(answers) == 3
    [start] = [number for number, line in enumerate(lines) if "Test error at the epoch" in line]
    for row in performance_rows(results.load(run, "performance")):
        [line] = [text for text in lines if text.startswith(f"│ {row[0]:>3} ")]
        assert [cell.strip() for cell in line.strip("│").split("│")] == list(row)

    assert lines[-9:] == [
        *(f"  d/figures/{name}.png" for name in FIGURES),
        *answers,
        "Next:",
        *(f"  jtdiag {command} d" for command in ("report", "plot", "probe")),
    ]
    for name in FIGURES:
        assert (run.path / "figures" / f"{name}.png").stat().st_size > 1000
    assert not any("ALERT" in line for line in lines)

    again = demo("d")
    assert again.exit_code == 0
    assert again.stdout.splitlines()[1:] == lines[start:]


@pytest.mark.slow
@pytest.mark.usefixtures("short")
def test_verbose_prints_epochs_and_every_finding(tmp_path):
    ran = demo(tmp_path / "d", "-v")
    lines = ran.stdout.splitlines()
    assert any("λ = 0, trial 0, epoch 1: loss" in line for line in lines)
    recorded = findings.read(tmp_path / "d")
    assert len(recorded) > 20
    assert all(any(line.endswith(f.sentence) for line in lines) for f in recorded)
    assert not any(line.startswith("All ") for line in lines)


@pytest.mark.slow
def test_long_paths_are_told_whole_in_a_pipe(first, tmp_path):
    out = tmp_path / ("a folder with [brackets] and a name that is longer than a line " * 2)
    shutil.copytree(first[0] / "d", out)
    ran = demo(out)
    assert ran.exit_code == 0
    for name in FIGURES:
        assert str(out / "figures" / f"{name}.png") in ran.stdout


def test_a_folder_that_holds_another_run_is_one_line(small_run):
    ran = demo(small_run.path)
    assert ran.exit_code == 1
    assert ran.stderr.startswith(f"Error: {small_run.path} was made with another recipe; ")
    assert ran.stderr.count("\n") == 1


def test_a_folder_that_holds_no_run_is_one_line(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    ran = demo(tmp_path)
    assert ran.exit_code == 1
    assert ran.stderr.startswith(f"Error: {tmp_path} is not a run")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
