import tomllib

import pytest

from jtdiag import find_recipe
from jtdiag.errors import RecipeError
from jtdiag.recipe import toml
from jtdiag.recipe.toml import from_table

DENSENET = {"arch": "densenet", "depth": 10, "growth": 4}
CONV = {"arch": "conv", "filters": [4], "strides": [1]}


def recipe(lr="paper", lam=0, count=4, members=None, **train):
    members = {"arch": "mlp", "hidden": [8]} if members is None else members
    table = {
        "lam": lam,
        "data": {"name": "digits"},
        "members": {**members, "count": count},
        "train": {**train, **({} if lr is None else {"lr": lr})},
    }
    return from_table(table)


@pytest.mark.parametrize(
    "preset",
    ["fashion-16x64", "fashion-64x16", "fashion-256x4", "cifar10-conv", "cifar100-dn-high"],
)
def test_the_papers_rates_are_those_written_out_in_its_presets(preset):
    by_hand, by_rule = find_recipe(preset), find_recipe(preset, ["train.lr=paper"])
    for i in range(len(by_hand.lam)):
        assert by_rule.first_lr(i) == by_hand.first_lr(i)


def test_the_papers_single_network_has_the_rate_of_its_preset():
    assert find_recipe("fashion-1x1024", ["train.lr=paper"]).train.lr == (0.02,)


@pytest.mark.parametrize(
    ("members", "of_one"),
    [({"arch": "mlp", "hidden": [8]}, 0.02), (CONV, 0.006), (DENSENET, 0.1)],
    ids=["mlp", "conv", "densenet"],
)
def test_matched_rates_are_a_single_networks_times_m_at_every_lambda(members, of_one):
    for count in (1, 4, 16):
        made = recipe("matched", [0, 0.5, 0.97, 0.99, 1], count, members)
        assert made.train.lr == (count * of_one,) * 5


def test_a_rule_follows_the_lambdas_and_the_number_of_members():
    assert recipe(lam=[1, 0], count=10).train.lr == (0.06, 0.2)


def test_the_recipe_that_is_written_has_the_numbers_and_the_rule():
    made = recipe(lam=[0, 1])
    table = tomllib.loads(toml.to_toml(made))
    assert (table["train"]["lr"], table["train"]["lr_rule"]) == ([0.08, 0.024], "paper")
    assert from_table(table) == made


def test_rates_that_are_given_leave_no_word_in_the_recipe():
    assert "lr_rule" not in toml.to_toml(recipe(0.1))


REFUSED = {
    "between two rates": ({"lam": [0, 0.97]}, r"up to λ = 0.95 and from λ = 0.99 on"),
    "an architecture of nobody's": (
        {"members": {"arch": "module", "factory": "mine:make"}},
        "mlp, conv, densenet",
    ),
    "another optimiser": ({"optimiser": "adamw"}, "are for sgd"),
    "M twice": ({"lr_scale": "members"}, "include the factor M"),
    "an unknown rule": ({"lr": "papers"}, "Did you mean 'paper'"),
    "other numbers": ({"lr": 0.3, "lr_rule": "paper"}, r"which gives \[0.08\]"),
    "a rule without numbers": ({"lr": None, "lr_rule": "matched"}, "set train.lr = 'matched'"),
    "an unknown origin": ({"lr": 0.3, "lr_rule": "papers"}, "Did you mean 'paper'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_paper_does_not_say_is_refused_in_one_line(case):
    changes, answer = REFUSED[case]
    with pytest.raises(RecipeError, match=answer) as caught:
        recipe(**changes)
    assert "\n" not in str(caught.value)
