import numpy as np
import pytest
import torch

from jtdiag.engine.datasets import Arrays, splits
from jtdiag.engine.datasets.splits import DataSet
from jtdiag.errors import DataError
from jtdiag.recipe.recipe import Data, Engine, Members, Recipe

CPU = torch.device("cpu")


def arrays(shape=(2, 3, 3), mean=None, sd=None):
    random = np.random.default_rng(0)
    return Arrays(
        x_train=random.normal(3, 2, (30, *shape)).astype(np.float32),
        y_train=np.arange(30) % 3,
        x_test=random.normal(3, 2, (9, *shape)).astype(np.float32),
        y_test=np.arange(9) % 3,
        classes=("a", "b", "c"),
        mean=mean,
        sd=sd,
    )


def recipe(val=10, precision="float64", seed=5, name="digits", root="data"):
    return Recipe(
        data=Data(name=name, val=val, root=root),
        members=Members(arch="mlp", count=2),
        seed=seed,
        engine=Engine(precision=precision),
    )


@pytest.mark.parametrize("shape", [(4,), (2, 3, 3)])
def test_inputs_are_normalised_by_the_moments_of_all_training_examples(shape):
    raw = arrays(shape)
    found = DataSet(raw, recipe(), CPU)
    axes = (0, *range(2, 1 + len(shape)))
    x = raw.x_train.astype(np.float64)
    mean, sd = x.mean(axes, keepdims=True), x.std(axes, keepdims=True)
    for split, given in (("train", raw.x_train), ("val", raw.x_train), ("test", raw.x_test)):
        expected = (given.astype(np.float64) - mean) / sd
        np.testing.assert_allclose(found.part(split).x.numpy(), expected, rtol=1e-12, atol=1e-14)
    assert found.input_shape == shape
    assert found.classes == ("a", "b", "c")


def test_moments_that_come_with_the_data_go_before_their_own():
    raw = arrays(mean=(1.0, 2.0), sd=(0.5, 4.0))
    found = DataSet(raw, recipe(), CPU).part("test").x.numpy()
    for channel, (mean, sd) in enumerate([(1.0, 0.5), (2.0, 4.0)]):
        expected = (raw.x_test[:, channel].astype(np.float64) - mean) / sd
        np.testing.assert_allclose(found[:, channel], expected, rtol=1e-14)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_data_lie_in_the_precision_of_the_engine(precision):
    raw = arrays()
    part = DataSet(raw, recipe(precision=precision), CPU).part("train")
    assert part.x.dtype == getattr(torch, precision)
    assert part.y.dtype == torch.int64
    assert part.y.tolist() == raw.y_train.tolist()


def test_the_sources_arrays_are_left_as_they_were():
    raw = arrays()
    before = raw.x_train.copy()
    DataSet(raw, recipe(precision="float32"), CPU)
    assert np.array_equal(raw.x_train, before)


def test_a_trials_training_and_validation_examples_share_a_part_and_no_example():
    found = DataSet(arrays(), recipe(val=10), CPU)
    assert found.part("train") is found.part("val")
    assert found.part("test") is not found.part("val")
    held = set()
    for trial in range(3):
        train, val = found.positions("train", trial), found.positions("val", trial)
        assert sorted([*train.tolist(), *val.tolist()]) == list(range(30))
        held.add(tuple(val.tolist()))
    assert len(held) == 3
    assert [found.count(split) for split in ("train", "val", "test")] == [20, 10, 9]


def test_the_test_split_is_the_whole_part_in_its_order_in_every_trial():
    found = DataSet(arrays(), recipe(), CPU)
    assert [found.positions("test", t).tolist() for t in (0, 1)] == [list(range(9))] * 2


def test_the_seed_decides_which_examples_are_held_out():
    a, b = (DataSet(arrays(), recipe(seed=seed), CPU).positions("val", 0) for seed in (1, 2))
    assert a.tolist() != b.tolist()


def test_without_validation_all_are_trained_on():
    found = DataSet(arrays(), recipe(val=0), CPU)
    assert found.positions("train", 0).tolist() == list(range(30))


@pytest.mark.parametrize("val", [30, 31])
def test_some_examples_must_be_left_to_train_on(val):
    with pytest.raises(DataError, match=f"data.val is {val}, but digits has only 30 training"):
        DataSet(arrays(), recipe(val=val), CPU)
    assert DataSet(arrays(), recipe(val=29), CPU).count("train") == 1


def test_the_recipe_names_data_and_root(tmp_path):
    raw = arrays((4,))
    np.savez(
        tmp_path / "mine.npz",
        x_train=raw.x_train, y_train=raw.y_train, x_test=raw.x_test, y_test=raw.y_test,
    )  # fmt: skip
    named = splits.load(recipe(name="npz", root=str(tmp_path / "mine.npz")), CPU)
    by_path = splits.load(recipe(name=str(tmp_path / "mine.npz")), CPU)
    assert torch.equal(named.part("test").x, by_path.part("test").x)
    assert torch.equal(named.part("test").x, DataSet(raw, recipe(), CPU).part("test").x)


def test_missing_data_are_one_line():
    with pytest.raises(DataError, match=r"^nowhere\.npz: there is no such file") as caught:
        splits.load(recipe(name="nowhere.npz"), CPU)
    assert "\n" not in str(caught.value)
