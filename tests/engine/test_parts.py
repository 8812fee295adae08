"""Parts of a run, trained by several processes: the lanes and their bits do not depend on them."""

import re
from pathlib import Path

import pytest

from jtdiag.engine import train as training
from jtdiag.engine.parts import Part, by_trial, lanes_of, units
from jtdiag.engine.progress import NullListener
from jtdiag.engine.train import train
from jtdiag.errors import RecipeError, StoreError
from jtdiag.recipe.toml import from_table
from jtdiag.store import lanes
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run
from jtdiag.testing import TOY, toy_data


@pytest.fixture(scope="module")
def npz(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "toy.npz"
    toy_data(path)
    return path


def toy(npz, **changes):
    table = {**TOY, "data": {**TOY["data"], "name": str(npz)}, "train": {**TOY["train"]}}
    table["train"]["epochs"] = 2
    for key, value in changes.items():
        table[key] = {**table[key], **value} if isinstance(value, dict) else value
    return from_table(table)


# --- which lanes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "-1/4", "1/0", "1.5/2", "1/4/2", " 1/4"])
def test_a_part_that_is_none_is_refused(text):
    with pytest.raises(RecipeError, match=r"part is .*; it must be a part of several"):
        Part.of_text(text)


def groups(count, trials, together):
    every = [Lane(trial, lam) for trial in range(trials) for lam in range(count)]
    return [every[i : i + together] for i in range(0, len(every), together)]


@pytest.mark.parametrize("together", [1, 2, 5])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_lane_is_in_one_part_and_groups_are_not_divided(npz, together, count):
    recipe = toy(npz, trials=4)
    made = groups(3, 4, together)
    of_parts = [lanes_of(Part(i + 1, count), recipe, made) for i in range(count)]
    assert sorted(lane for part in of_parts for lane in part) == lanes.lanes_of(recipe)
    for group in made:
        assert sum(not {*group}.isdisjoint(part) for part in of_parts) == 1
    if together == 1:
        assert of_parts[0] == lanes.lanes_of(recipe)[::count]


def test_lambdas_that_share_a_stage_are_not_divided():
    table = {
        "lam": [0.0, 0.5, 1.0],
        "trials": 3,
        "data": {"name": "digits"},
        "members": {"arch": "mlp", "count": 2, "hidden": [8, 8]},
        "modules": {"credit": "proxy", "epochs": [2, 3, 1]},
        "train": {"epochs": 6},
    }
    shared = units(from_table(table), groups(3, 3, 1))
    assert shared == [[Lane(trial, lam) for lam in range(3)] for trial in range(3)]
    two_trials = units(from_table(table), groups(3, 3, 2))
    assert [len(unit) for unit in two_trials] == [6, 3]


def test_a_part_without_a_lane_is_refused(npz):
    with pytest.raises(RecipeError, match="part is 7/7, which has no lane: .* 6 parts at most"):
        lanes_of(Part(7, 7), toy(npz), groups(3, 2, 1))


def test_lanes_are_named_by_trial(npz):
    chosen = [Lane(1, 2), Lane(0, 0), Lane(1, 1)]
    assert by_trial(chosen, toy(npz)) == "trial 0: λ = 0; trial 1: λ = 0.9, 1"


# --- training -------------------------------------------------------------------------------------


class Beside(NullListener):
    """Does something else when the first epoch is trained."""

    def __init__(self, work):
        self._work, self.plans = work, []

    def begin(self, plan):
        self.plans.append(plan)

    def epoch(self, report):
        work, self._work = self._work, None
        if work is not None:
            work()


def side_by_side(recipe, path, parts):
    """Train parts so that each begins while the one before it is being trained."""
    if parts:
        beside = Beside(lambda: side_by_side(recipe, path, parts[1:]))
        train(recipe, path, part=parts[0], listener=beside)


@pytest.mark.slow
@pytest.mark.parametrize("together", ["auto", 2])
def test_parts_side_by_side_write_the_store_of_one_process(
    npz, tmp_path, together, assert_same_files
):
    recipe = toy(npz, trials=4, engine={"lanes": together})
    whole = train(recipe, tmp_path / "whole")
    side_by_side(recipe, tmp_path / "run", ["1/3", "2/3", "3/3"])
    assert Run(tmp_path / "run").done
    assert_same_files(tmp_path / "run", whole.path)


@pytest.mark.slow
def test_a_part_that_is_trained_is_refused(npz, tmp_path):
    path = tmp_path / "run"

    def second():
        for part, which in (("1/3", "λ = 0, trial 0"), ("1/2", "λ = 0, trial 0")):
            with pytest.raises(StoreError) as caught:
                train(toy(npz), path, part=part, resume=True)
            pattern = rf"{which}: is being trained by this process \(\d+\), since [^;]*; wait"
            assert re.search(pattern, str(caught.value))
        with pytest.raises(StoreError, match="is being trained"):
            train(toy(npz), path, resume=True)

    beside = Beside(second)
    run = train(toy(npz), path, part="1/3", listener=beside)
    assert [run.seal(lane).done for lane in run.lanes] == [True, False, False] * 2
    [plan] = beside.plans
    assert (plan.part, plan.lanes) == ("1/3", (Lane(0, 0), Lane(1, 0)))
    assert plan.epochs_to_train == 4


@pytest.mark.slow
def test_a_part_goes_on_where_it_was_interrupted_but_only_if_told_to(
    npz, tmp_path, assert_same_files
):
    def interrupt():
        raise KeyboardInterrupt

    path, recipe = tmp_path / "run", toy(npz)
    whole = train(recipe, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(recipe, path, part="2/2", listener=Beside(interrupt))
    with pytest.raises(StoreError, match=r"part 2/2 has begun \(trial 0: λ = 0.9\)\. Resume it"):
        train(recipe, path, part="2/2")
    train(recipe, path, part="1/2")
    train(recipe, path, part="2/2", resume=True)
    assert_same_files(path, whole.path)


@pytest.mark.slow
def test_of_parts_that_begin_at_the_same_time_one_makes_the_folder(
    npz, tmp_path, monkeypatch, assert_same_files
):
    path, recipe = tmp_path / "run", toy(npz)
    whole = train(recipe, tmp_path / "whole")
    create = training._create

    def later(*arguments):
        monkeypatch.setattr(training, "_create", create)
        train(recipe, path, part="2/2")
        return create(*arguments)

    monkeypatch.setattr(training, "_create", later)
    train(recipe, path, part="1/2")
    assert [file.name for file in Path(tmp_path).iterdir() if file.name.startswith(".")] == []
    assert_same_files(path, whole.path)
