import pytest

from jtdiag.errors import RecipeError
from jtdiag.recipe.toml import digest, from_table

PLAIN = {
    "lam": 0,
    "data": {"name": "digits", "val": 100},
    "members": {"arch": "mlp", "count": 4, "hidden": [8]},
    "keep": {"splits": ["val", "test"]},
}


def recipe(**changes):
    table = {key: dict(value) if isinstance(value, dict) else value for key, value in PLAIN.items()}
    for key, value in changes.items():
        table[key] = {**table.get(key, {}), **value} if isinstance(value, dict) else value
    return from_table(table)


def test_members_are_trained_jointly_unless_another_scheme_is_named():
    assert (recipe().scheme, recipe().bootstrap) == ("joint", "weights")


def test_a_recipe_that_names_the_default_scheme_is_the_same():
    assert digest(recipe(scheme="joint", bootstrap="weights")) == digest(recipe())


@pytest.mark.parametrize(
    "changes",
    [
        {"scheme": "bagging"},
        {"scheme": "bagging", "bootstrap": "batches"},
        {"scheme": "stacking"},
        {"scheme": "stacking", "keep": {"outputs": ["best"]}},
        {"scheme": "single", "lam": 1, "members": {"count": 1}},
        {"scheme": "bagging", "family": "gaussian"},
    ],
)
def test_schemes_that_can_be_carried_out_are_accepted(changes):
    assert recipe(**changes).scheme == changes["scheme"]


REFUSED = {
    "an unknown scheme": ({"scheme": "baging"}, "Did you mean 'bagging'"),
    "an unknown bootstrap": ({"bootstrap": "weight"}, "Did you mean 'weights'"),
    "a bootstrap of nobody": ({"bootstrap": "batches"}, "only scheme = 'bagging'"),
    "bagging of joint members": ({"scheme": "bagging", "lam": [0, 0.5]}, "lam 0, 0.5; set lam = 0"),
    "bagging with dropping": ({"scheme": "bagging", "objective": {"drop": 0.5}}, "omit it"),
    "stacking of joint members": ({"scheme": "stacking", "lam": 0.5}, "set lam = 0"),
    "bagging of branches": (
        {
            "scheme": "bagging",
            "members": {
                "arch": "branches", "factory": "mine:make", "hidden": [],
            },
        },
        "share weights",
    ),
    "several single networks": ({"scheme": "single"}, "members.count = 1"),
    "a single network at two lambdas": (
        {"scheme": "single", "lam": [0, 1], "members": {"count": 1}},
        "one lam",
    ),
    "stacking of numbers": ({"scheme": "stacking", "family": "gaussian"}, "'categorical' only"),
    "stacking without validation": (
        {"scheme": "stacking", "data": {"val": 0}, "keep": {"splits": ["test"]}},
        "data.val > 0",
    ),
    "stacking without validation outputs": (
        {"scheme": "stacking", "keep": {"splits": ["test"]}},
        r"keep.splits = \['val', 'test'\]",
    ),
    "stacking without the best epoch": (
        {"scheme": "stacking", "keep": {"outputs": ["last"]}},
        "'best' in keep.outputs",
    ),
    "stacking without outputs": ({"scheme": "stacking", "keep": {"outputs": "none"}}, "'best'"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_go_together_is_refused_in_one_line(case):
    changes, answer = REFUSED[case]
    with pytest.raises(RecipeError, match=answer) as caught:
        recipe(**changes)
    assert "\n" not in str(caught.value)
