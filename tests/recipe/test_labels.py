import pytest

from jtdiag.recipe.labels import labels
from jtdiag.recipe.toml import from_table


def recipe(**changes):
    table = {
        "name": "a",
        "data": {"name": "digits"},
        "members": {"arch": "mlp", "count": 16, "hidden": [64]},
    }
    for key, value in changes.items():
        table[key] = {**table.get(key, {}), **value} if isinstance(value, dict) else value
    return from_table(table)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({}, {"members": {"count": 4, "hidden": [256]}, "train": {"lr": 0.5}},
         ["16 members, hidden 64", "4 members, hidden 256"]),
        ({"members": {"count": 1}}, {}, ["1 member", "16 members"]),
        ({"train": {"lr": 0.5}}, {"train": {"lr": 0.25, "epochs": 7}},
         ["epochs 10, lr 0.5", "epochs 7, lr 0.25"]),
        ({"seed": 1}, {"seed": 2}, ["seed 1", "seed 2"]),
        ({}, {"name": "b", "trials": 5, "lam": [0.5]}, ["left", "right"]),
        ({}, {}, ["left", "right"]),
    ],
)  # fmt: skip
def test_runs_are_called_by_what_differs(first, second, expected):
    if "train" in first:
        first["train"].setdefault("epochs", 10)
    assert labels([recipe(**first), recipe(**second)], ["left", "right"]) == expected


def test_an_only_run_is_called_by_its_folder():
    assert labels([recipe()], ["folder"]) == ["folder"]


def test_what_differs_and_does_not_tell_all_apart_has_the_folder_before_it():
    recipes = [recipe(), recipe(), recipe(members={"count": 4})]
    assert labels(recipes, ["a", "b", "c"]) == ["a: 16 members", "b: 16 members", "c: 4 members"]


def test_even_folders_of_one_name_are_told_apart():
    assert labels([recipe(), recipe()], ["toy", "toy"]) == ["1. toy", "2. toy"]


def test_members_say_enough():
    """The learning rate often follows from their number."""
    with_rate = recipe(members={"count": 4}, train={"lr": 0.08})
    assert labels([recipe(), with_rate], ["a", "b"]) == ["16 members", "4 members"]


def test_no_more_than_three_fields_are_named():
    train = {"lr": 0.1, "epochs": 3, "batch": 7, "momentum": 0.5}
    [_, label] = labels([recipe(), recipe(train=train)], ["a", "b"])
    assert label.count(",") == 2


DEEP = {"arch": "mlp", "count": 2, "hidden": [4, 4]}


def of_credit(modules, **changes):
    return recipe(members=DEEP, modules=modules, **changes)


def test_runs_that_differ_in_modules_are_called_by_their_credit():
    proxy = {"credit": "proxy", "loss": "al", "cuts": "head", "epochs": [2, 1]}
    several = [
        of_credit({}, train={"epochs": 5}),
        of_credit({"credit": "local", "mu": 0.5}),
        of_credit(proxy, train={"epochs": 3}),
    ]
    assert labels(several, ["a", "b", "c"]) == [
        "end-to-end",
        "local, pred, μ = 0.5",
        "proxy, al, cuts head",
    ]


def test_members_come_after_their_credit():
    wide = {**DEEP, "hidden": [8, 8]}
    several = [of_credit({}), recipe(members=wide, modules={"credit": "local"})]
    expected = ["end-to-end, hidden 4/4", "local, pred, hidden 8/8"]
    assert labels(several, ["a", "b"]) == expected


def test_members_that_are_as_in_most_runs_are_left_out():
    several = [
        of_credit({}),
        of_credit({"credit": "local"}),
        recipe(members={**DEEP, "activation": "tanh"}, modules={"credit": "targets"}),
        of_credit({"credit": "local", "lam": "every"}),
    ]
    assert labels(several, list("abcd")) == [
        "end-to-end",
        "local, pred",
        "targets, activation tanh",
        "local, pred, λ in every head",
    ]


def test_other_fields_of_training_alone_are_still_named():
    several = [of_credit({}, train={"epochs": 5}), of_credit({}, train={"epochs": 3})]
    assert labels(several, ["a", "b"]) == ["epochs 5", "epochs 3"]
