import time
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from jtdiag.commands import main
from jtdiag.figures import FIGURES
from jtdiag.figures.drawing import Output
from jtdiag.workflows import live_plot as redrawing
from jtdiag.workflows.live_plot import redraw

PNG = Output(formats=("png",))


@pytest.fixture
def asleep(monkeypatch):
    """Return a function that says what happens each time the watcher sleeps, step by step."""

    def happens(*steps):
        left = list(steps)
        quiet = SimpleNamespace(sleep=lambda seconds: left.pop(0)(), monotonic=time.monotonic)
        monkeypatch.setattr(redrawing, "time", quiet)

    return happens


@pytest.mark.slow
def test_figures_are_drawn_again_after_every_epoch_until_the_run_ends(warned, asleep):
    steps = [lambda e=e: warned.seal_up_to(e) for e in (0, 2, 4)]
    asleep(*steps, warned.close)
    wanted = [FIGURES.find("error-against-lambda"), FIGURES.find("errors-by-epoch")]
    lines = list(redraw(warned.run, wanted, PNG))
    where = warned.run.path / "figures"
    assert lines == [
        *(f"epoch {e}: {where / each.name}.png" for e in (0, 2, 4) for each in wanted),
        "The run is complete.",
    ]


@pytest.mark.slow
def test_it_draws_the_epochs_that_are_sealed(warned, asleep, monkeypatch):
    seen = []
    asleep(lambda: warned.seal_up_to(1), lambda: warned.seal_up_to(4), warned.close)
    drawing = FIGURES.find("errors-by-epoch")
    name = "jtdiag.workflows.live_plot.draw_results"
    monkeypatch.setattr(name, lambda runs, drawing, results, output: (
        seen.append(int(results[0]["ensemble_error"].notnull().any(("lam", "split")).sum())),
        ["x"],
    )[1])  # fmt: skip
    list(redraw(warned.run, [drawing]))
    assert seen == [2, 5]


def test_figures_of_slow_probes_are_left_out_and_told_once(warned, asleep):
    asleep(lambda: warned.seal_up_to(4), warned.close)
    [left_out, done] = redraw(warned.run, [FIGURES.find("reliability")], PNG)
    assert left_out == (
        "reliability: skipped, its probe is slow. "
        f"To draw it: jtdiag probe {warned.run.path} calibration"
    )
    assert done == "The run is complete."
    assert not (warned.run.path / "figures").exists()


@pytest.mark.slow
def test_what_cannot_be_drawn_yet_is_a_line_and_the_rest_goes_on(warned, asleep):
    asleep(lambda: warned.seal_up_to(2), warned.close)
    wanted = [FIGURES.find("leader-by-epoch"), FIGURES.find("error-against-lambda")]
    first, second, last = redraw(warned.run, wanted, PNG)
    assert first.startswith("epoch 2: leader-by-epoch skipped. No lane has completed all epochs")
    assert second.endswith("error-against-lambda.png")
    assert last == f"{warned.run.path}: the training process exited early."


@pytest.mark.slow
def test_nothing_is_written_into_the_run_but_figures(warned, asleep):
    asleep(lambda: warned.seal_up_to(4), warned.close)
    before = {path.name for path in warned.run.path.iterdir()}
    list(redraw(warned.run, [FIGURES.find("diversity-against-lambda")], PNG))
    assert {path.name for path in warned.run.path.iterdir()} - before == {"figures"}


@pytest.mark.slow
def test_plot_watch_of_a_finished_run_draws_once_and_ends(small_run):
    ran = CliRunner().invoke(main, ["plot", str(small_run.path), "errors-by-epoch", "--watch"])
    assert (ran.exit_code, ran.stderr) == (0, "")
    figure = small_run.path / "figures" / "errors-by-epoch.pdf"
    assert ran.stdout.splitlines() == [f"epoch 4: {figure}", "The run is complete."]


def test_plot_watch_follows_one_run(small_run):
    ran = CliRunner().invoke(main, ["plot", str(small_run.path), str(small_run.path), "--watch"])
    assert ran.exit_code == 2
    assert "--watch accepts a single run" in ran.stderr


def test_ctrl_c_ends_watching_without_a_traceback(small_run, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("jtdiag.workflows.live_plot.redraw", interrupt)
    ran = CliRunner().invoke(main, ["plot", str(small_run.path), "--watch"])
    assert ran.exit_code == 1
    assert ran.stderr.strip() == "Aborted!"
