import attrs
import numpy as np
import pytest

from jtdiag.advising.candidates import Question, candidates, recipe_to_continue
from jtdiag.engine.session import Session
from jtdiag.errors import DataError, RecipeError
from jtdiag.recipe import toml


def by_name(question):
    return {candidate.name: candidate for candidate in candidates(question)}


def test_every_number_of_members_has_every_lam_and_bagging_and_one_network_is_alone():
    names = list(by_name(Question(data="digits", params=10_000, members=(4, 1))))
    lams = ("0", "0.5", "0.9", "0.99", "1")
    assert names == [
        "single-network",
        *(f"4-members-lam-{lam}" for lam in lams),
        "4-members-bagging",
    ]


def test_by_default_members_are_those_with_which_the_budget_can_be_met():
    question = Question(data="digits", params=3_000)
    every = candidates(question)
    assert {c.members for c in every} == {1, 2, 4, 8, 32}  # not 16: 2 units are too few, 3 too many
    assert all(abs(c.parameters - 3_000) <= 300 for c in every)


def test_parameters_are_those_that_are_trained(question):
    for candidate in candidates(question):
        extent = Session.of(candidate.recipe).extent
        assert candidate.parameters == extent.parameters_per_member * candidate.members


def test_all_candidates_have_the_same_data_epochs_and_rate_of_a_member(question):
    recipes = [candidate.recipe for candidate in candidates(question)]
    assert {recipe.data for recipe in recipes} == {recipes[0].data}
    assert {recipe.train for recipe in recipes} == {recipes[0].train}
    assert {recipe.first_lr(0) / recipe.members.count for recipe in recipes} == {0.02}
    assert all(recipe.keep.splits == ("val",) for recipe in recipes)


def test_labels_are_short():
    every = by_name(Question(data="digits", params=10_000, members=(1, 4)))
    assert {name: candidate.label for name, candidate in every.items()} == {
        "single-network": "a single network",
        "4-members-lam-0": "4 independent members",
        "4-members-lam-0.5": "4 members at λ = 0.5",
        "4-members-lam-0.9": "4 members at λ = 0.9",
        "4-members-lam-0.99": "4 members at λ = 0.99",
        "4-members-lam-1": "4 members trained end to end",
        "4-members-bagging": "4 bagged members",
    }


def test_numbers_as_targets_are_a_regression(tmp_path):
    random = np.random.default_rng(0)
    x, y = random.normal(size=(50, 3)), random.normal(size=50)
    np.savez(tmp_path / "numbers.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    every = candidates(Question(data=str(tmp_path / "numbers.npz"), params=200, members=(1, 4)))
    assert {candidate.recipe.family for candidate in every} == {"gaussian"}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"params": 5}, RecipeError, "increase --params"),
        ({"params": 0}, RecipeError, "--params is 0"),
        ({"members": (4_000,)}, RecipeError, "use fewer members"),
        ({"arch": "mpl"}, RecipeError, "Did you mean 'mlp'"),
        ({"data": "nothing.npz"}, DataError, "no such .npz"),
        ({"overrides": ("trials=3",)}, RecipeError, "changes trials or scheme"),
        ({"overrides": ("train.epoch=3",)}, RecipeError, "Did you mean 'epochs'"),
    ],
)
def test_what_cannot_be_compared_is_one_line(question, changes, error, message):
    with pytest.raises(error, match=message) as caught:
        candidates(attrs.evolve(question, **changes))
    assert "\n" not in str(caught.value)


def test_the_recipe_to_continue_can_be_read_again(question, tmp_path):
    recipe = recipe_to_continue(candidates(question)[1], 7)
    (tmp_path / "recipe.toml").write_text(toml.to_toml(recipe))
    again = toml.read(tmp_path / "recipe.toml")
    assert again == recipe
    assert (again.trials, again.keep.splits) == (7, ("val", "test"))
