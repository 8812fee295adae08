import shutil

import pytest
from click.testing import CliRunner

from jtdiag import Run
from jtdiag.commands import main
from jtdiag.figures import FIGURES
from jtdiag.probing import findings, results
from jtdiag.probing.registry import PROBES
from jtdiag.recipe import presets
from jtdiag.tables.performance import performance_rows

QUICK = [kind.name for kind in FIGURES.all() if PROBES.find(kind.needs).cost == "cheap"]


@pytest.fixture
def short(tmp_path, monkeypatch):
    """Shorten the demo to four epochs of one trial."""
    text = (presets.folder() / "demo.toml").read_text(encoding="utf-8")
    folder = tmp_path / "presets"
    folder.mkdir()
    text = text.replace("trials = 3", "trials = 1").replace("epochs = 12", "epochs = 4")
    (folder / "demo.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(presets, "folder", lambda: folder)
    assert presets.find("demo").train.epochs == 4
    assert presets.find("demo").trials == 1


def demo(out):
    return CliRunner().invoke(main, ["demo", "--out", str(out)])


@pytest.mark.slow
@pytest.mark.usefixtures("short")
def test_the_demo_trains_probes_warns_and_plots_and_shows_it_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = demo("d")
    assert (first.exit_code, first.stderr) == (0, "")
    run = Run("d")
    assert run.done

    for row in performance_rows(results.load(run, "performance")):
        [line] = [text for text in first.stdout.splitlines() if text.startswith(f"│ {row[0]:>3} ")]
        assert [cell.strip() for cell in line.strip("│").split("│")] == list(row)

    lines = first.stdout.splitlines()
    recorded = findings.read(run.path)
    alert, *_ = [line for line in lines if line.startswith("ALERT")]
    assert alert.startswith("ALERT λ = 1: after epoch 3, ")
    assert all(any(line.endswith(f.sentence) for line in lines) for f in recorded)

    for name in QUICK:
        for ending in ("pdf", "png"):
            assert f"  d/figures/{name}.{ending}" in lines
            assert (run.path / "figures" / f"{name}.{ending}").stat().st_size > 1000

    assert "error-against-lambda" in QUICK
    assert {path.stem for path in (run.path / "figures").iterdir()} == set(QUICK)

    again = demo("d")
    assert again.exit_code == 0
    shown = first.stdout.index("Test error at the epoch")
    assert "epoch 1: loss" in first.stdout[:shown]
    assert "epoch 1: loss" not in again.stdout
    table = again.stdout.index("Test error at the epoch")
    assert again.stdout[table:] == first.stdout[shown:]


@pytest.mark.slow
@pytest.mark.usefixtures("short")
def test_long_paths_are_told_whole_in_a_pipe(short_demo, tmp_path):
    out = tmp_path / ("a folder with [brackets] and a name that is longer than a line " * 2)
    shutil.copytree(short_demo.path, out)
    ran = demo(out)
    assert ran.exit_code == 0
    for name in QUICK:
        assert str(out / "figures" / f"{name}.pdf") in ran.stdout


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
