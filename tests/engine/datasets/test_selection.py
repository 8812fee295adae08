from dataclasses import replace
from pathlib import Path

import attrs
import numpy as np
import pytest
import torch
import xarray as xr

from jtdiag.engine import datasets
from jtdiag.engine.datasets import Arrays, splits
from jtdiag.engine.datasets.selection import Selection
from jtdiag.engine.datasets.splits import DataSet
from jtdiag.engine.train import train
from jtdiag.errors import DataError, JtdiagError
from jtdiag.recipe.recipe import Data, Engine, Members, Recipe

CPU = torch.device("cpu")
DIGITS = datasets.load("digits", Path("nowhere"))
TOY = Arrays(
    x_train=np.arange(12, dtype=np.float32).reshape(6, 2) ** 2,
    y_train=np.array([0, 2, 1, 2, 0, 3]),
    x_test=np.ones((4, 2), np.float32),
    y_test=np.array([3, 2, 1, 0]),
    classes=("cat", "dog", "1", "2"),
    mean=(5.0, 6.0),
    sd=(7.0, 8.0),
)


def recipe(**data):
    return Recipe(
        data=Data(name="digits", **data),
        members=Members(arch="mlp", count=2, hidden=(3,)),
        engine=Engine(precision="float64"),
    )


def test_groups_and_limit_agree_with_a_selection_by_hand():
    chosen = DataSet(DIGITS, recipe(classes=[[0, 1, 2], [4, 3]], limit=300, val=50), CPU)
    train = [i for i in range(len(DIGITS.y_train)) if DIGITS.y_train[i] < 5][:300]
    test = [i for i in range(len(DIGITS.y_test)) if DIGITS.y_test[i] < 5]
    raw = DIGITS.x_train[train].astype(np.float64)
    mean, sd = raw.mean(), raw.std()
    for split, x, y, rows in (
        ("train", DIGITS.x_train, DIGITS.y_train, train),
        ("test", DIGITS.x_test, DIGITS.y_test, test),
    ):
        part = chosen.part(split)
        np.testing.assert_allclose(part.x.numpy(), (x[rows] - mean) / sd, rtol=1e-12, atol=1e-13)
        assert part.y.tolist() == [0 if y[row] < 3 else 1 for row in rows]
    assert chosen.classes == ("0, 1, 2", "4, 3")
    counts = [chosen.count(split) for split in ("train", "val", "test")]
    assert counts == [250, 50, len(test)]


def test_sources_are_positions_in_the_data_set_that_was_read():
    chosen = DataSet(DIGITS, recipe(classes=[7, 9], limit=100, val=10), CPU)
    for split, x, y in (
        ("train", DIGITS.x_train, DIGITS.y_train),
        ("val", DIGITS.x_train, DIGITS.y_train),
        ("test", DIGITS.x_test, DIGITS.y_test),
    ):
        rows, inside = chosen.sources(split, 1), chosen.positions(split, 1)
        part = chosen.part(split)
        assert np.array_equal(y[rows] == 9, part.y[inside].numpy() == 1)
        mean, sd = (np.asarray(m) for m in chosen.moments)
        np.testing.assert_allclose(part.x[inside].numpy(), (x[rows] - mean) / sd, atol=1e-12)


def test_without_a_selection_everything_stays_as_it_was():
    plain, chosen = DataSet(TOY, recipe(), CPU), Selection.of(TOY, Data(name="toy"))
    assert chosen.arrays is TOY
    assert plain.moments == ((5.0, 6.0), (7.0, 8.0))
    assert plain.sources("train", 0).tolist() == list(range(6))


def test_all_classes_one_by_one_are_the_data_set_itself():
    whole = DataSet(DIGITS, recipe(), CPU)
    listed = DataSet(DIGITS, recipe(classes=list(range(10))), CPU)
    assert listed.fingerprint == whole.fingerprint
    assert torch.equal(listed.part("train").x, whole.part("train").x)
    assert torch.equal(listed.part("test").y, whole.part("test").y)


def test_published_moments_are_not_those_of_the_selected_examples():
    chosen = DataSet(TOY, recipe(limit=3), CPU)
    first = TOY.x_train[:3].astype(np.float64)
    np.testing.assert_allclose(chosen.moments, (first.mean(0), first.std(0)), rtol=1e-14)


def test_classes_are_given_by_number_or_name_and_keep_their_order():
    named = replace(TOY, classes=("cat", "dog", "cow", "ape"))
    by_name = Selection.of(named, Data(name="toy", classes=["ape", ["dog", "cat"]])).arrays
    by_number = Selection.of(named, Data(name="toy", classes=[[3], [1, 0]])).arrays
    for arrays in (by_name, by_number):
        assert arrays.classes == ("ape", "dog, cat")
        assert arrays.y_train.tolist() == [1, 1, 1, 0]
        assert arrays.y_test.tolist() == [0, 1, 1]
        assert np.array_equal(arrays.x_train, TOY.x_train[[0, 2, 4, 5]])


def test_the_limit_counts_the_examples_of_the_classes():
    chosen = Selection.of(TOY, Data(name="toy", classes=["cat", "dog"], limit=2))
    assert chosen.train.tolist() == [0, 2]
    assert chosen.test.tolist() == [2, 3]
    assert np.array_equal(chosen.arrays.x_train, TOY.x_train[[0, 2]])


@pytest.mark.parametrize(
    "change", [{"limit": 1200}, {"classes": [[0, 1], [2, 3]]}, {"classes": [[1, 0], [2, 3]]}]
)
def test_the_fingerprint_is_that_of_the_selected_examples(change):
    plain, chosen = DataSet(DIGITS, recipe(), CPU), DataSet(DIGITS, recipe(**change), CPU)
    assert chosen.fingerprint != plain.fingerprint
    assert chosen.fingerprint == DataSet(DIGITS, recipe(**change), CPU).fingerprint


def test_classes_that_the_limit_leaves_without_examples_are_noted():
    [note] = Selection.of(TOY, Data(name="toy", limit=4)).arrays.notes
    assert note == "1 class has no examples among the first 4 training examples (2)"
    assert Selection.of(TOY, Data(name="toy", limit=6)).arrays.notes == ()


def test_a_class_that_never_had_training_examples_is_not_blamed_on_the_limit():
    without = replace(TOY, y_train=np.array([0, 2, 0, 2, 0, 3]))
    assert Selection.of(without, Data(name="toy", limit=6)).arrays.notes == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"classes": [0, 4]}, r"lists 4; toy has 4 classes, 0 to 3 \(cat, dog, 1, 2\)\.$"),
        ({"classes": ["cat", "dgo"]}, r"lists 'dgo', which is no class of toy \(.*mean 'dog'\?$"),
        ({"classes": [["dog", 1], [0]]}, r"lists 1, which is the number of class 'dog' and the n"),
        ({"classes": ["dog", 2]}, "lists 2, which is the number of class '1' and the name of ano"),
        ({"classes": [[0, "cat"], [3]]}, r"class 0 \('cat'\) by number and by name; list each c"),
        ({"limit": 7}, "limit is 7, but toy has only 6 training examples; lower it, or leave it"),
        (
            {"classes": ["cat", "dog"], "limit": 4},
            "limit is 4, but toy has only 3 training examples of data.classes; lower it",
        ),
        ({"limit": 1}, "the first 1 training examples of toy are of a single class; raise it"),
    ],
)
def test_what_the_data_set_does_not_have_is_refused_in_one_line(data, message):
    with pytest.raises(DataError, match=message) as caught:
        Selection.of(TOY, Data(name="toy", **data))
    assert "\n" not in str(caught.value)


def test_the_name_of_several_classes_is_no_choice():
    arrays = replace(TOY, classes=("cat", "cat", "b", "c"))
    with pytest.raises(DataError, match=r"lists 'cat', the name of 2 classes of toy; give their n"):
        Selection.of(arrays, Data(name="toy", classes=["cat", "b"]))


def test_groups_without_examples_of_a_part_are_refused():
    arrays = replace(TOY, y_train=np.array([0, 2, 0, 2, 0, 2]))
    with pytest.raises(DataError, match="toy has no training examples of data.classes; list oth"):
        Selection.of(arrays, Data(name="toy", classes=["dog", "2"]))


def test_numbers_have_no_classes():
    arrays = datasets.load("diabetes", Path("nowhere"))
    with pytest.raises(DataError, match="the targets of diabetes are numbers; remove it, or use"):
        Selection.of(arrays, Data(name="diabetes", classes=[0, 1]))
    limited = Selection.of(arrays, Data(name="diabetes", limit=50)).arrays
    assert np.array_equal(limited.y_train, arrays.y_train[:50])


def test_validation_that_uses_up_the_examples_of_the_classes_is_refused():
    with pytest.raises(DataError, match="data.val is 300, but digits has only 260 training exam"):
        splits.load(recipe(classes=[0, 3], val=300), CPU)


@pytest.mark.slow
def test_a_run_on_groups_trains_and_is_resumed_only_with_the_same_groups(tmp_path):
    chosen = attrs.evolve(recipe(classes=[[0, 1], [2, 3]], limit=300), lam=(0.5,), name="groups")
    run = train(chosen, tmp_path / "groups")
    assert run.output_names == ("0, 1", "2, 3")
    store = xr.open_zarr(run.path / "store.zarr", group="outputs/test", consolidated=False)
    target, source = (store[name].values for name in ("target", "source_index"))
    assert np.array_equal(target, DIGITS.y_test[source] // 2)
    for change in ({"classes": [[1, 0], [2, 3]]}, {"limit": 299}):
        data = attrs.evolve(chosen.data, **change)
        with pytest.raises(JtdiagError, match="the data in digits are not those that the run was"):
            train(attrs.evolve(chosen, data=data), run.path, resume=True)
