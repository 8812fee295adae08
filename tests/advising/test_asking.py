"""Advice on digits, at a tiny size: the answer, killing and continuing, and the test data."""

import signal
import subprocess
import sys
import time

import attrs
import numpy as np
import pytest
from sklearn.datasets import load_digits

from jtdiag import advise, find_recipe, names
from jtdiag.advising.candidates import path_of
from jtdiag.errors import AdviceError, StoreError
from jtdiag.store.run import Run

pytestmark = pytest.mark.slow
OVERRIDES = ("lam=[1]", "train.epochs=4", "train.batch=20", "data.val=100")
TRIALS = 4


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Digits in a file, and the same with other test examples."""
    x, y = load_digits(return_X_y=True)
    folder = tmp_path_factory.mktemp("digits")
    training = {"x_train": x[:300] / 16, "y_train": y[:300]}
    np.savez(folder / "digits.npz", **training, x_test=x[400:600] / 16, y_test=y[400:600])
    np.savez(folder / "other.npz", **training, x_test=x[600:] / 16, y_test=(y[600:] + 1) % 10)
    return folder


def arguments(file, folder):
    return {
        "data": str(file),
        "params": 700,
        "members": (1, 2),
        "overrides": OVERRIDES,
        "out": str(folder),
        "trials": TRIALS,
    }


@pytest.fixture(scope="module")
def advised(digits, tmp_path_factory):
    """Advice, and the lines that were reported."""
    lines = []
    folder = tmp_path_factory.mktemp("advice") / "a"
    return advise(**arguments(digits / "digits.npz", folder), trained=lines.append), lines


def states(advice):
    return {s.candidate.name: (s.state, tuple(s.errors)) for s in advice.standings}


def test_the_answer_names_a_candidate_and_its_errors(advised):
    advice, lines = advised
    best = advice.recommended
    assert (advice.ended, len(best.errors)) == ("decided", TRIALS)
    assert str(advice) == "\n".join(advice.sentences)
    assert str(advice).startswith(f"Recommended: {best.candidate.label}, validation error ")
    assert any(line.startswith("a single network: validation error") for line in lines)
    run = Run(path_of(advice.folder, best.candidate))
    on_test = run.metrics()[names.ENSEMBLE_ERROR].isel(lam=0).sel(split="test")
    expected = [float(on_test.sel(trial=t.trial, epoch=run.chosen_epoch(t))) for t in run.lanes]
    assert list(advice.test_errors) == expected
    assert advice.test.low < np.mean(expected) < advice.test.high


def test_it_comes_with_a_figure_and_a_recipe(advised):
    advice, _ = advised
    assert [path.name for path in advice.figures] == ["candidates.pdf", "candidates.png"]
    assert all(path.stat().st_size > 5_000 for path in advice.figures)
    recipe = find_recipe(str(advice.recipe))
    assert recipe.members == advice.recommended.candidate.recipe.members
    assert recipe.trials == 5


def test_asked_again_it_trains_nothing(advised, digits):
    advice, _ = advised
    lines = []
    again = advise(**arguments(digits / "digits.npz", advice.folder), trained=lines.append)
    assert (states(again), lines) == (states(advice), [])


def test_another_question_needs_another_folder(advised, digits, tmp_path):
    advice, _ = advised
    other = arguments(digits / "digits.npz", advice.folder) | {"params": 600}
    with pytest.raises(StoreError, match="another question, which differs in params; choose"):
        advise(**other)
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="is not empty and contains no advice"):
        advise(**arguments(digits / "digits.npz", tmp_path))


def test_the_test_data_change_nothing_but_the_test_error(advised, digits, tmp_path):
    advice, _ = advised
    other = advise(**arguments(digits / "other.npz", tmp_path / "a"))
    assert states(other) == states(advice)
    assert list(other.test_errors) != list(advice.test_errors)


def test_a_search_that_is_killed_is_continued_to_the_same_answer(advised, digits, tmp_path):
    advice, _ = advised
    asked = arguments(digits / "digits.npz", tmp_path / "a")
    code = (
        f"import jtdiag; jtdiag.advise(**{asked!r}, trained=lambda line: print(line, flush=True))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    for _ in range(6):
        assert process.stdout.readline()
    time.sleep(0.1)  # within a training
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert states(advise(**asked)) == states(advice)


def test_without_a_complete_trial_there_is_not_enough_evidence(question, tmp_path):
    advice = advise(**attrs.asdict(question), out=tmp_path / "a", lane_epochs=2)
    assert advice.ended == "limit"
    assert advice.sentences[0].startswith("There is not enough evidence")
    assert (advice.recommended, advice.recipe, advice.figures) == (None, None, ())


def test_data_in_memory_are_advised_on(tmp_path):
    x, y = load_digits(return_X_y=True)
    data = (x[:300], y[:300], x[300:400], y[300:400])
    overrides = ["lam=[0.9]", "train.epochs=1", "train.batch=100"]
    out = tmp_path / "a"
    advice = advise(data, 1_500, members=(2,), overrides=overrides, out=out, lane_epochs=2)
    assert {s.candidate.members for s in advice.standings} == {2}
    assert advice.recommended is not None


@pytest.mark.parametrize("wrong", [{"hours": 0}, {"hours": float("nan")}, {"trials": 3}])
def test_limits_out_of_range_are_one_line(question, tmp_path, wrong):
    with pytest.raises(AdviceError, match="hours must be above 0 and trials above 3"):
        advise(**attrs.asdict(question), out=tmp_path / "a", **wrong)
    assert list(tmp_path.iterdir()) == []
