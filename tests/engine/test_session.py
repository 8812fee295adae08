import dataclasses

import joblib
import numpy as np
import pytest
import torch

from jtdiag.engine import session as sessions
from jtdiag.engine.session import Session, torch_threads
from jtdiag.errors import DataError, RecipeError
from jtdiag.recipe import presets
from jtdiag.recipe.toml import from_table
from jtdiag.testing import TOY, toy_data


@pytest.fixture(scope="module")
def npz(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "toy.npz"
    toy_data(path, train_examples=100, test_examples=40)
    return path


def session(npz, **changes):
    table = {**TOY, "data": {**TOY["data"], "name": str(npz)}}
    for key, value in changes.items():
        table[key] = {**table[key], **value} if isinstance(value, dict) else value
    return Session.of(from_table(table))


def test_the_extent_is_that_of_data_and_members(npz):
    extent = session(npz).extent
    assert extent.examples == {"train": 80, "val": 20, "test": 40}
    assert extent.outputs == 3
    assert extent.parameters_per_member == 2 * 5 + 5 + 5 * 3 + 3
    without = session(npz, data={"val": 0}, keep={"splits": ["test"]}).extent
    assert without.examples == {"train": 100, "test": 40}


def test_the_examples_of_each_kept_split_are_named_by_their_place_in_the_data(npz):
    made = session(npz, keep={"splits": ["train", "val", "test"]})
    found = made.examples()
    assert found.keys() == {"train", "val", "test"}
    with np.load(npz) as raw:
        for split, examples in (("train", 80), ("val", 20)):
            assert found[split].source_index.shape == (2, examples)
            assert np.array_equal(found[split].target, raw["y_train"][found[split].source_index])
        assert found["test"].source_index.tolist() == list(range(40))
        assert np.array_equal(found["test"].target, raw["y_test"])
    for trial in range(2):
        held, seen = found["val"].source_index[trial], found["train"].source_index[trial]
        assert sorted([*held, *seen]) == list(range(100))
    assert not np.array_equal(*found["val"].source_index)


@pytest.mark.parametrize(
    ("lanes", "sizes"), [("auto", [1] * 6), (1, [1] * 6), (4, [4, 2]), (6, [6]), (100, [6])]
)
def test_lanes_train_side_by_side_in_groups_of_the_size_asked_for(npz, lanes, sizes):
    made = session(npz, engine={"lanes": lanes})
    groups = made.groups()
    assert [len(group) for group in groups] == sizes
    flat = [lane for group in groups for lane in group]
    assert [(lane.trial, lane.lam_index) for lane in flat] == [
        (trial, lam) for trial in range(2) for lam in range(3)
    ]
    assert made.settings()["lanes"] == str(sizes[0])


@pytest.mark.parametrize(("free", "sizes"), [(0, [1] * 6), (2, [2, 2, 2]), (9.9, [6])])
def test_as_many_lanes_as_fit_in_half_of_the_free_memory_train_side_by_side_on_a_gpu(
    npz, monkeypatch, free, sizes
):
    made = session(npz, engine={"lanes": "auto"}, keep={"splits": ["val", "test"]})
    members, weights = made.recipe.members.count, 2 * 5 + 5 + 5 * 3 + 3
    # Eight bytes for each of six numbers a weight, and of two an output of the kept splits.
    of_lane = 8 * (6 * members * weights + 2 * members * (20 + 40) * 3)
    made = dataclasses.replace(made, device=torch.device("cuda"))
    asked = []

    def mem_get_info(device):
        asked.append(device)
        return int(2 * free * of_lane), 10**12

    monkeypatch.setattr(torch.cuda, "mem_get_info", mem_get_info)
    assert [len(group) for group in made.groups()] == sizes
    assert asked == [made.device]


def test_a_small_step_takes_one_thread_and_a_large_one_all_that_are_open(npz, monkeypatch):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 7)
    made = session(npz, engine={"threads": "auto"})
    products = 3 * (2 * 5 + 5 + 5 * 3 + 3) * 16
    assert made.threads == 1
    monkeypatch.setattr(sessions, "SMALL_STEP", products + 1)
    assert made.threads == 1
    monkeypatch.setattr(sessions, "SMALL_STEP", products)
    assert made.threads == 7
    assert session(npz, engine={"threads": 3}).threads == 3


def test_the_settings_say_where_and_how(npz):
    made = session(npz).settings()
    assert (made["device"], made["threads"], made["precision"]) == ("cpu", "1", "float64")
    assert made["torch"] == torch.__version__


@pytest.mark.parametrize("device", ["gpu", "tpu:0", "meta", "mps", "cpu:x"])
def test_a_device_that_is_none_is_refused(npz, device):
    with pytest.raises(RecipeError, match=f"engine.device is '{device}'; it must be auto, cpu"):
        session(npz, engine={"device": device})


def test_a_gpu_that_is_not_there_is_refused(npz, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(RecipeError, match=r"'cuda:2'; torch finds 2 GPUs\."):
        session(npz, engine={"device": "cuda:2"})
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(RecipeError, match=r"'cuda'; torch finds no GPU\."):
        session(npz, engine={"device": "cuda"})


def test_without_a_gpu_auto_is_the_cpu(npz, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert session(npz, engine={"device": "auto"}).device == torch.device("cpu")


def test_missing_data_are_refused_before_anything_begins(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        session(tmp_path / "none.npz")


def test_the_demo_finds_its_data():
    extent = Session.of(presets.find("demo"), device="cpu").extent
    assert extent.examples == {"train": 1097, "val": 200, "test": 500}
    assert extent.outputs == 10


def test_torch_has_its_threads_back_afterwards_whatever_happened():
    before = torch.get_num_threads()
    with torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with pytest.raises(KeyError), torch_threads(before + 2):
        raise KeyError
    assert torch.get_num_threads() == before
