"""What is trained before what."""

import pytest

from jtdiag.engine.stages import stages
from jtdiag.recipe.toml import from_table
from jtdiag.store.lanes import Lane, lanes_of

PROXY = {"credit": "proxy", "epochs": [2, 3, 1]}


def recipe_of(**changes):
    table = {
        "lam": [0.0, 0.5, 1.0],
        "trials": 2,
        "data": {"name": "digits"},
        "members": {"arch": "mlp", "count": 2, "hidden": [8, 8]},
        "modules": PROXY,
        "train": {"epochs": 6},
    }
    return from_table({**table, **changes})


def one_by_one(recipe):
    return [[lane] for lane in lanes_of(recipe)]


@pytest.mark.parametrize(
    "changes", [{"modules": {"credit": "local"}}, {"lam": [0.5]}, {"lam": [0.5], "trials": 1}]
)
def test_without_anything_to_share_there_is_one_stage_with_a_row_for_each_lane(changes):
    recipe = recipe_of(**changes)
    [stage] = stages(recipe, one_by_one(recipe))
    assert stage.last == 6
    assert stage.groups == [[[lane]] for lane in lanes_of(recipe)]


def test_hidden_modules_come_first_and_once_for_all_lambdas_of_a_trial():
    recipe = recipe_of()
    hidden, head = stages(recipe, one_by_one(recipe))
    assert (hidden.last, head.last) == (5, 6)
    assert hidden.groups == [[[Lane(trial, i) for i in range(3)]] for trial in range(2)]
    assert head.groups == [[[lane]] for lane in lanes_of(recipe)]


def test_lambdas_with_other_learning_rates_are_trained_by_themselves():
    recipe = recipe_of(train={"epochs": 6, "lr": [0.1, 0.2, 0.1]}, trials=1)
    hidden, _ = stages(recipe, one_by_one(recipe))
    assert hidden.groups == [[[Lane(0, 0), Lane(0, 2)]], [[Lane(0, 1)]]]


def test_groups_hold_as_many_trials_as_lanes():
    recipe = recipe_of()
    every = lanes_of(recipe)
    hidden, _ = stages(recipe, [every[:4], every[4:]])
    assert hidden.groups == [[every[:3], every[3:]]]
