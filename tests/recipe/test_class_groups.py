import numpy as np
import pytest

from jtdiag.errors import RecipeError
from jtdiag.recipe import toml
from jtdiag.recipe.class_groups import class_groups
from jtdiag.recipe.recipe import Data

TABLE = {"data": {"name": "digits"}, "members": {"arch": "mlp", "count": 2, "hidden": [3]}}


def with_data(**fields):
    return toml.from_table(TABLE | {"data": TABLE["data"] | fields})


@pytest.mark.parametrize(
    ("value", "groups"),
    [
        ([], ()),
        ([[0, 1, 2], [3, 4]], ((0, 1, 2), (3, 4))),
        ([[0], [3]], ((0,), (3,))),
        ([0, 3], ((0,), (3,))),
        ((0, (3, "cat")), ((0,), (3, "cat"))),
        (["dog", ["cat", "1"]], (("dog",), ("cat", "1"))),
        (np.array([[0, 1], [2, 3]]), ((0, 1), (2, 3))),
    ],
)
def test_classes_are_groups_and_a_class_outside_a_list_is_a_group(value, groups):
    assert Data(name="digits", classes=value).classes == groups


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, r"^data.classes is 3; it must be a list of classes or of groups of classes, such as "),
        ("cat", "is 'cat'; it must be a list"),
        ([[0, 1]], r"has only one group; give at least two, such as \[\[0, 1\], \[2, 3\]\], or"),
        ([0], "only one group"),
        ([[0], []], "contains an empty group; list the classes of every group"),
        ([[0, 1], [1, 2]], "lists 1 more than once"),
        ([0, 0], "lists 0 more than once"),
        (["cat", ["dog", "cat"]], "lists 'cat' more than once"),
        ([0, -1], "lists -1; it must list numbers of classes, 0 or more, or their names in quotes"),
        ([0, True], "lists True; it must list"),
        ([0, 1.0], "lists 1.0; it must list"),
        ([0, ""], "lists ''; it must list"),
        ([0, [[1, 2]]], r"lists \[1, 2\]; it must list"),
        ([0, {"a": 1}], "lists {'a': 1}; it must list"),
        ([0, 10**20], "must be 1,000,000 or less"),
    ],
)
def test_what_is_no_task_is_refused_in_one_line(value, message):
    with pytest.raises(RecipeError, match=message) as caught:
        class_groups("data.classes", value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("limit", "val"), [(10, 10), (10, 11), (1, 1)])
def test_a_limit_that_validation_uses_up_is_refused(limit, val):
    with pytest.raises(RecipeError, match=f"data.limit is {limit} and data.val is {val}, which"):
        Data(name="digits", limit=limit, val=val)
    assert Data(name="digits", limit=val + 1, val=val).limit == val + 1


def test_recipes_without_classes_and_limit_keep_their_hash():
    plain = toml.digest(with_data())
    assert plain == toml.digest(with_data(classes=[], limit=0))
    assert "classes" not in toml.to_toml(with_data())
    assert "limit" not in toml.to_toml(with_data())
    assert (
        len({plain, toml.digest(with_data(limit=9)), toml.digest(with_data(classes=[0, 1]))}) == 3
    )


def test_classes_in_and_out_of_lists_are_the_same_recipe():
    assert with_data(classes=[0, 3]) == with_data(classes=[[0], [3]])
    assert toml.digest(with_data(classes=[0, 3])) == toml.digest(with_data(classes=[[0], [3]]))


def test_groups_are_written_on_one_line_and_read_back(tmp_path):
    recipe = with_data(classes=[[0, "cat", 2], [3], "a, [b]"], limit=7)
    text = toml.to_toml(recipe)
    assert 'classes = [[0, "cat", 2], [3], ["a, [b]"]]\nlimit = 7\n' in text
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    assert toml.read(path).data == recipe.data


def test_groups_can_be_set_on_the_command_line(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(toml.to_toml(with_data()), encoding="utf-8")
    changed = toml.read(path, ["data.classes=[[0, 1], [2, 3]]", "data.limit=100"])
    assert changed.data.classes == ((0, 1), (2, 3))
    assert changed.data.limit == 100
