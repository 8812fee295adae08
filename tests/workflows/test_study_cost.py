import attrs
import pytest

from jtdiag.errors import RecipeError
from jtdiag.recipe import studies
from jtdiag.testing import toy_data
from jtdiag.workflows.study_cost import RunCost, costs, reduced, within

STUDY = """
lam = 0
trials = 5
data = { name = "toy.npz" }
members = { arch = "mlp", count = 3, hidden = [4] }
train = { epochs = 40, batch = 16, lr = 0.1 }
engine = { device = "cpu", threads = 1 }
[runs.short]
train = { epochs = 8 }
[runs.long]
"""
HOUR = 3600


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    toy_data(tmp_path / "toy.npz")
    (tmp_path / "mine.toml").write_text(STUDY, "utf-8")
    return studies.find("mine.toml")


def cost(seconds):
    return RunCost(lanes=1, epochs=1, seconds=seconds, size=0)


def sizes(study):
    return {name: (run.trials, run.train.epochs) for name, run in study.runs.items()}


@pytest.mark.parametrize(
    ("hours", "short", "long"),
    [
        (10, (5, 8), (5, 40)),  # everything fits
        (5, (5, 4), (5, 20)),  # half of the epochs
        (2.5, (5, 2), (5, 10)),  # a quarter, and not less
        (1.5, (3, 2), (3, 10)),  # the fewest trials
    ],
)
def test_a_budget_reduces_epochs_then_trials(study, hours, short, long):
    measured = {"short": cost(2 * HOUR), "long": cost(8 * HOUR)}
    assert sizes(within(study, hours, measured)) == {"short": short, "long": long}


def test_a_budget_that_is_too_small_says_what_is_necessary(study):
    measured = {"short": cost(2 * HOUR), "long": cost(8 * HOUR)}
    with pytest.raises(RecipeError, match=r"--budget is 1 hours, but .* takes about 1\.5\."):
        within(study, 1, measured)


def test_epochs_that_others_depend_on_are_not_reduced(study):
    long = attrs.evolve(
        study.runs["long"], train=attrs.evolve(study.runs["long"].train, milestones=(9,))
    )
    fixed = attrs.evolve(study, runs={**study.runs, "long": long})
    with pytest.raises(RecipeError, match="the epochs of the run 'long' cannot be reduced"):
        within(fixed, 1, dict.fromkeys(fixed.runs, cost(HOUR)))


def test_costs_are_those_of_a_dry_run_of_each_run(study):
    measured = costs(study)
    assert [(run.lanes, run.epochs) for run in measured.values()] == [(5, 8), (5, 40)]
    assert all(run.seconds > 0 and run.size > 0 for run in measured.values())
    assert list(costs(study, ["long"])) == ["long"]


def test_a_study_that_was_begun_keeps_its_size_but_no_other_change_is_lost(study, tmp_path):
    folder = tmp_path / "begun"
    folder.mkdir()
    fewer = {name: attrs.evolve(run, trials=3) for name, run in study.runs.items()}
    begun = attrs.evolve(study, runs=fewer)
    (folder / studies.FILE).write_text(studies.to_toml(begun), "utf-8")
    assert sizes(reduced(study, folder, 1)) == {"short": (3, 8), "long": (3, 40)}
    other = studies.find("mine.toml", ["seed=7"])
    assert reduced(other, folder, 1) is other
