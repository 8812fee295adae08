import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from jtdiag.commands import main
from jtdiag.figures import FIGURES
from jtdiag.figures.styled_figure import StyledFigure
from jtdiag.probing.registry import PROBES
from jtdiag.probing.running import probe as ask
from jtdiag.store.run import Run
from jtdiag.workflows.study import OF_RUNS

OF_ONE_RUN = [name for name in FIGURES.names() if name not in OF_RUNS]


def plot(run, *arguments):
    return CliRunner().invoke(main, ["plot", str(run.path), *arguments])


def files(run, *figures):
    return [
        str(run.path / "figures" / f"{name}.{ending}")
        for name in figures
        for ending in ("pdf", "png")
    ]


@pytest.fixture
def not_rendered(monkeypatch):
    """Write files without content: that every figure can be rendered is tested beside them."""
    monkeypatch.setattr(StyledFigure, "savefig", lambda figure, path, **_: path.touch())


@pytest.mark.usefixtures("not_rendered")
def test_every_figure_is_drawn_by_default_and_each_file_named(probed_run, tmp_path):
    run = Run(shutil.copytree(probed_run.path, tmp_path / "toy"))
    ran = plot(run)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == files(run, *OF_ONE_RUN)
    drawn = {str(path) for path in (run.path / "figures").iterdir()}
    assert drawn >= set(files(run, *OF_ONE_RUN))


@pytest.mark.slow
@pytest.mark.usefixtures("not_rendered")
def test_what_a_run_holds_nothing_for_is_left_out_by_default_and_told(small_run):
    """It has kept neither outputs nor checkpoints."""
    for each in PROBES.all():
        if each.applies(small_run):
            ask(small_run, each.name)
    ran = plot(small_run)
    assert (ran.exit_code, ran.stderr) == (0, "")
    left_out = [line for line in ran.stdout.splitlines() if ": skipped" in line]
    reliability = "reliability: skipped. The run stores no outputs on the test split"
    assert any(reliability in line for line in left_out)
    assert "credit: skipped, its probe credit is not applicable to this run." in left_out
    drawn = [name for name in OF_ONE_RUN if not any(line.startswith(name) for line in left_out)]
    assert ran.stdout.splitlines() == sorted(
        [*left_out, *files(small_run, *drawn)],
        key=lambda line: [name in line for name in OF_ONE_RUN].index(True),
    )


@pytest.mark.slow
def test_named_it_is_one_line(small_run):
    ask(small_run, "calibration")
    ran = plot(small_run, "reliability")
    assert ran.exit_code == 1
    assert ran.stderr.startswith("Error: The run stores no outputs on the test split")


@pytest.mark.slow
def test_of_several_runs_each_is_drawn_into_its_own_folder(small_run, toy_copy):
    for run in (small_run, toy_copy):
        ask(run, "dominance")
    ran = plot(small_run, str(toy_copy.path), "errors-by-epoch")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        *files(small_run, "errors-by-epoch"),
        *files(toy_copy, "errors-by-epoch"),
    ]


@pytest.mark.slow
def test_a_figure_of_faults_without_outputs_is_one_line(small_run):
    ask(small_run, "robustness")
    ran = plot(small_run, "accuracy-against-faults")
    assert ran.exit_code == 1
    assert ran.stderr.startswith("Error: The run stores no outputs on the test split.")


@pytest.mark.slow
def test_only_those_named_are_drawn(small_run):
    ask(small_run, "performance")
    ran = plot(small_run, "error-against-lambda")
    assert ran.exit_code == 0
    assert {path.stem for path in (small_run.path / "figures").iterdir()} == {
        "error-against-lambda"
    }


@pytest.mark.slow
def test_a_figure_of_an_older_result_says_so(warned):
    warned.seal_up_to(2)
    ask(warned.run, "performance")
    fresh = plot(warned.run, "error-against-lambda")
    warned.seal_up_to(3)
    stale = plot(warned.run, "error-against-lambda")
    assert stale.stdout.splitlines() == [
        "error-against-lambda: drawn from an outdated result. "
        f"To update it: jtdiag probe {warned.run.path} performance",
        *fresh.stdout.splitlines(),
    ]


def test_a_missing_result_is_one_line_that_names_the_probe_to_ask(small_run):
    ran = plot(small_run, "errors-by-epoch")
    assert ran.exit_code == 1
    assert ran.stderr == (
        f"Error: {small_run.path} has no result 'dominance'. "
        f"First run: jtdiag probe {small_run.path} dominance\n"
    )


def test_an_unknown_figure_is_one_line(small_run):
    ran = plot(small_run, "errors")
    assert ran.exit_code == 1
    assert ran.stderr.startswith("Error: There is no figure 'errors'.")
    assert ran.stderr.count("\n") == 1


@pytest.mark.slow
def test_style_formats_and_folder_are_those_asked_for(small_run, tmp_path):
    ask(small_run, "performance")
    out = tmp_path / "paper" / "figures"
    asked = ["--style", "ieee", "--format", "svg,eps", "--data", "nc", "--out", str(out)]
    ran = plot(small_run, "error-against-lambda", *asked)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.split() == [
        str(out / f"error-against-lambda.{ending}") for ending in ("svg", "eps", "nc")
    ]
    assert 'width="252pt"' in (out / "error-against-lambda.svg").read_text("utf-8")


@pytest.mark.slow
def test_several_runs_in_one_folder_do_not_overwrite_each_other(small_run, toy_copy, tmp_path):
    for run in (small_run, toy_copy):
        for name in ("performance", "dominance"):
            ask(run, name)
    wanted = ["errors-by-epoch", "error-against-lambda", "--format", "png"]
    ran = plot(small_run, str(toy_copy.path), *wanted, "--out", str(tmp_path / "out"))
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.split() == [
        str(tmp_path / "out" / place)
        for place in (
            "by-hand/errors-by-epoch.png",
            "toy/errors-by-epoch.png",
            "error-against-lambda.png",
        )
    ]


def test_an_unknown_style_or_format_is_one_line(small_run):
    for option, word in (("--style", "acl"), ("--format", "jpg")):
        ran = plot(small_run, option, word)
        assert ran.exit_code == 1
        assert ran.stderr.startswith("Error: There is no")
        assert ran.stderr.count("\n") == 1


def test_json_lists_files_and_what_is_left_out_and_quiet_prints_nothing(
    small_run, tmp_path, not_rendered
):
    ask(small_run, "dominance")
    ran = plot(small_run, "--format", "svg", "--json")
    assert (ran.exit_code, ran.stderr) == (0, "")
    answer = json.loads(ran.stdout)
    assert str(small_run.path / "figures" / "errors-by-epoch.svg") in answer["files"]
    assert all(Path(file).exists() for file in answer["files"])
    assert "robustness" in answer["left_out"]["accuracy-against-dropped"]
    drawn = {Path(file).stem for file in answer["files"]}
    assert drawn.isdisjoint(answer["left_out"])
    ran = plot(small_run, "errors-by-epoch", "--format", "svg", "--out", str(tmp_path / "q"), "-q")
    assert (ran.exit_code, ran.output) == (0, "")
    assert (tmp_path / "q" / "errors-by-epoch.svg").exists()


def test_watching_has_no_end_at_which_json_could_be_printed(small_run):
    ran = plot(small_run, "--watch", "--json")
    assert ran.exit_code == 2
    assert "leave out --watch" in ran.stderr
