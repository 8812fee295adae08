"""A data set from an installed third-party package works by its name."""

import numpy as np
import pytest

from jtdiag.engine import datasets
from jtdiag.engine.datasets import SOURCES
from jtdiag.errors import DataError
from jtdiag.recipe.toml import from_table

CODE = """
import numpy as np

from jtdiag.engine.datasets.arrays import Arrays
from jtdiag.engine.datasets.contract import DataSource


def load(root):
    random = np.random.default_rng(0)
    label = np.arange(60) % 2
    x = (random.normal(0, 0.3, (60, 2)) + label[:, None]).astype(np.float32)
    return Arrays(
        x_train=x[:40],
        y_train=label[:40],
        x_test=x[40:],
        y_test=label[40:],
        classes=("lower", "upper"),
        mean=None,
        sd=None,
    )


source = DataSource(name="two-blobs", targets="classes", load=load)
"""


def test_the_built_in_data_sets_are_entry_points_like_any_other():
    names = ("digits", "fashion-mnist", "folder", "npz", "diabetes", "counts", "labels")
    assert SOURCES.names() == names
    assert [source.name for source in SOURCES.all()] == list(names)


@pytest.mark.slow
def test_a_third_party_data_set_is_trained_on_by_its_name(install, tmp_path):
    from jtdiag import train

    install("jtdiag.datasets", "two-blobs", CODE, "source")
    recipe = from_table(
        {
            "lam": [0.9],
            "data": {"name": "two-blobs"},
            "members": {"arch": "mlp", "count": 2, "hidden": [4]},
            "train": {"epochs": 3, "batch": 10, "lr": 0.3},
            "engine": {"device": "cpu", "threads": 1},
        }
    )
    run = train(recipe, tmp_path / "run")
    assert run.outputs_per_member == 2
    assert run.done
    error = run.metrics()["ensemble_error"].sel(split="test").isel(epoch=-1)
    assert float(error.squeeze()) < 0.2


def test_an_unknown_name_lists_third_party_data_sets_too(install, tmp_path):
    install("jtdiag.datasets", "two-blobs", CODE, "source")
    with pytest.raises(DataError, match=r"Did you mean 'two-blobs'\? .* labels, two-blobs, or"):
        datasets.load("two-blob", tmp_path)


def test_targets_of_another_kind_than_declared_are_refused(install, tmp_path):
    code = CODE.replace('targets="classes"', 'targets="numbers"')
    install("jtdiag.datasets", "two-blobs", code, "source")
    with pytest.raises(DataError, match=r"'two-blobs' declares targets = 'numbers', .* \(40,\)"):
        datasets.load("two-blobs", tmp_path)


def test_a_source_that_leaves_the_targets_open_is_read_as_the_family_needs(tmp_path):
    x, y = np.eye(2), np.array([0, 1])
    np.savez(tmp_path / "my.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    assert datasets.load("npz", tmp_path / "my.npz").y_train.shape == (2,)
    assert datasets.load("npz", tmp_path / "my.npz", numbers=True).y_train.shape == (2, 1)
