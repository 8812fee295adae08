import numpy as np
import pytest

from jtdiag.engine.architectures import build
from jtdiag.engine.train import train
from jtdiag.recipe.recipe import Members
from jtdiag.recipe.toml import from_table
from jtdiag.testing import toy_run
from jtdiag_probes.filters import first_layer
from jtdiag_probes.filters.first_layer import (
    image_shape,
    norms,
    sample,
    stagnating,
    strong_share,
    strongest,
)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """An .npz of 9x9 grey images of two classes."""
    path = tmp_path_factory.mktemp("images") / "images.npz"
    random = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 40), ("test", 10)):
        arrays[f"x_{part}"] = random.random((count, 1, 9, 9)).astype(np.float32)
        arrays[f"y_{part}"] = np.arange(count) % 2
    np.savez(path, **arrays)
    return path


def short(folder, data, **members):
    table = {
        "name": "short",
        "lam": [0.9],
        "data": {"name": str(data)},
        "members": {"count": 2, **members},
        "train": {"epochs": 1, "batch": 20},
        "engine": {"device": "cpu", "threads": 1},
    }
    return train(from_table(table), folder / "short")


# --- where it lies --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("members", "name", "image"),
    [
        ({"arch": "mlp", "hidden": [3]}, "layer1.weight", (1, 9, 9)),
        ({"arch": "conv", "filters": [4, 5], "strides": [1, 1]}, "layers.conv1.weight", (1, 3, 3)),
    ],
    ids=lambda value: value.get("arch") if isinstance(value, dict) else None,
)
def test_the_first_layer_is_the_one_that_sees_the_image(tmp_path, images, members, name, image):
    run = short(tmp_path, images, **members)
    assert first_layer.find(run) == name
    shape, source = image_shape(run, run.parameters[name])
    assert shape == image
    assert source == ("data" if members["arch"] == "mlp" else "weights")


MODULE = """
import torch
def make():
    layers = torch.nn.Sequential()
    layers.add_module("z", torch.nn.Flatten())
    layers.add_module("y", torch.nn.Linear(81, 3))
    layers.add_module("a", torch.nn.Linear(3, 2))
    return layers
"""


@pytest.mark.slow
def test_for_a_user_defined_module_it_is_the_first_in_the_order_of_the_module(tmp_path, images):
    (tmp_path / "mine.py").write_text(MODULE)
    run = short(tmp_path, images, arch="module", factory=f"{tmp_path / 'mine.py'}:make")
    assert first_layer.find(run) == "y.weight"
    (tmp_path / "mine.py").unlink()
    assert first_layer.find(run) == "a.weight"  # alphabetical, for want of the module


BRANCHES = """
import torch
class Branches(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(81, 4)
    def forward(self, x):
        return self.first(x.flatten(1)).reshape(-1, 2, 2)
"""


@pytest.mark.slow
def test_branches_of_one_network_have_no_separate_first_layer(tmp_path, images):
    (tmp_path / "mine.py").write_text(BRANCHES)
    run = short(tmp_path, images, arch="branches", factory=f"{tmp_path / 'mine.py'}:Branches")
    assert run.parameters == {"first.weight": (4, 81), "first.bias": (4,)}
    assert first_layer.find(run) is None


def test_the_first_layer_of_a_densenet_is_found():
    members = Members(arch="densenet", count=2, depth=10, growth=4)
    shapes = build(members, (3, 32, 32), 10).parameters
    assert shapes["layers.first.weight"].shape == (8, 3, 3, 3)


def test_without_checkpoints_there_is_none(small_run):
    assert first_layer.find(small_run) is None


def test_inputs_that_are_no_image_stay_a_row(toy):
    assert image_shape(toy, toy.parameters["layer1.weight"]) == ((1, 1, 2), "none")


@pytest.mark.slow
def test_data_that_are_gone_leave_a_guess(tmp_path):
    run = toy_run(tmp_path, trials=1, lam=[0.5], train={"epochs": 1})
    (tmp_path / "toy.npz").unlink()
    assert image_shape(run, (5, 49)) == ((1, 7, 7), "guess")
    assert image_shape(run, (5, 50)) == ((1, 1, 50), "none")


# --- arithmetic -----------------------------------------------------------------------------------


def test_norms_are_numpys():
    filters = np.random.default_rng(0).normal(0, 1, (3, 4, 50)).astype(np.float32)
    slow = np.linalg.norm(filters.astype(float), axis=-1)
    np.testing.assert_allclose(norms(filters), slow, rtol=1e-13)


def test_strong_is_half_the_95th_percentile_or_more():
    norm = np.array([[1.0, 1.0, 1.0, 1.0], [1.0, 0.51, 0.49, 0.1]])
    np.testing.assert_allclose(strong_share(norm), [1, 0.5])
    two_of_twenty = np.array([[1.0] * 18 + [3.0, 10.0]])  # 3 + 0.05 (10 − 3), half of it 1.675
    np.testing.assert_allclose(strong_share(two_of_twenty), [0.1])


def test_a_scale_of_all_weights_changes_no_share():
    norm = np.random.default_rng(0).random((5, 8))
    np.testing.assert_array_equal(strong_share(norm), strong_share(1e3 * norm))


def test_stagnation_is_relative_to_the_largest_distance():
    assert stagnating(np.array([10.0, 1.9, 2.1]), 0.2).tolist() == [False, True, False]
    assert stagnating(np.array([3.0]), 0.2).tolist() == [False]


def test_a_sample_goes_from_the_weakest_to_the_strongest():
    strength = np.array([5.0, 1, 9, 3, 7, 2])
    assert sample(strength, 6).tolist() == [0, 1, 2, 3, 4, 5]
    assert sample(strength, 3).tolist() == [1, 3, 2]
    assert sample(np.arange(256.0), 16)[[0, -1]].tolist() == [0, 255]


def test_the_strongest_come_first():
    assert strongest(np.array([[1.0, 3, 2], [5, 4, 6]]), 2).tolist() == [[1, 2], [2, 0]]
