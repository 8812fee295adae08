"""Data in memory give the run that the same data in a file give."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset, TensorDataset

import jtdiag
from jtdiag.engine.datasets import in_memory
from jtdiag.errors import DataError
from jtdiag.recipe.toml import from_table
from jtdiag.testing import TOY, toy_data

TABLE = {**TOY, "lam": [0.5], "trials": 1, "train": {"epochs": 1, "batch": 16, "lr": 0.3}}
KEYS = ("x_train", "y_train", "x_test", "y_test")


class Pairs(Dataset):
    """Examples that are made one by one."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return self.x[index], self.y[index]


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The arrays of the toy data, also in toy.npz in the current folder."""
    monkeypatch.chdir(tmp_path)
    toy_data(tmp_path / "toy.npz")
    with np.load("toy.npz") as stored:
        return [stored[key] for key in KEYS]


def as_tensors(arrays):
    return [torch.tensor(array) for array in arrays]


def as_datasets(arrays):
    x, y, x_test, y_test = as_tensors(arrays)
    return TensorDataset(x, y), Pairs(x_test, y_test.tolist())


def as_lists(arrays):
    return [array.tolist() for array in arrays]


@pytest.mark.slow
def test_the_run_is_that_of_the_same_data_in_a_file_and_can_be_resumed_and_probed(toy):
    expected = jtdiag.train(from_table(TABLE), "runs/of-file")
    table = {key: value for key, value in TABLE.items() if key != "data"} | {"data": {"val": 20}}
    run = jtdiag.train(table, "runs/mine", data=toy)
    assert run.metrics().equals(expected.metrics())
    [file] = [path for path in run.path.parent.iterdir() if path.suffix == ".npz"]
    assert run.recipe.data.name == str(file)
    assert run.settings["data_fingerprint"] == expected.settings["data_fingerprint"]

    again = jtdiag.train(table, "runs/mine", data=as_tensors(toy), resume=True)
    assert again.done
    assert jtdiag.train(run.recipe, "runs/mine", resume=True).done
    other = jtdiag.train(table, "runs/other", data=as_datasets(toy))
    assert other.metrics().equals(expected.metrics())
    assert [path.suffix for path in run.path.parent.iterdir()].count(".npz") == 1
    gradients = jtdiag.probe(run, "gradients")  # reads the data again
    assert np.isfinite(gradients["gradient_norm"]).any()


@pytest.mark.slow
def test_a_student_needs_a_module_and_a_few_lines(toy):
    x_train, y_train, x_test, y_test = toy
    table = {"lam": [0, 1], "trials": 2, "members": {"arch": "module", "count": 3}}
    run = jtdiag.train(
        table, data=(x_train, y_train, x_test, y_test), factory=lambda: nn.Linear(2, 3)
    )
    sentences = jtdiag.answer(run).splitlines()
    assert 1 <= len(sentences) <= 3
    assert all(sentence.endswith(".") for sentence in sentences)
    assert jtdiag.answer(str(run.path)).splitlines() == sentences


@pytest.mark.parametrize("form", [as_tensors, as_datasets, as_lists])
def test_every_form_of_the_data_is_the_same_file(toy, tmp_path, form):
    recipe = from_table(TABLE)
    expected = in_memory.with_data(recipe, toy, tmp_path / "runs")
    assert in_memory.with_data(recipe, form(toy), tmp_path / "runs") == expected
    assert len(list((tmp_path / "runs").iterdir())) == 1
    with np.load(expected.data.name) as stored:
        for key, array in zip(KEYS, toy, strict=True):
            np.testing.assert_allclose(stored[key], array, rtol=1e-6)


def test_tensors_of_images_have_the_channels_first_and_arrays_are_asked_for(tmp_path):
    recipe = from_table({**TABLE, "data": {"name": "npz", "val": 3}})
    images = np.random.default_rng(0).random((30, 3, 5, 3), np.float32)
    arrays = (images, np.arange(30) % 3, images[:9], np.arange(9) % 3)
    assert in_memory.with_data(recipe, as_tensors(arrays), tmp_path).data.layout == "nchw"
    with pytest.raises(DataError, match=r"^data: .*data\.layout"):
        in_memory.with_data(recipe, arrays, tmp_path)


def test_names_of_classes_and_numbers_in_half_precision_are_read(toy, tmp_path):
    x, y, x_test, y_test = toy
    words = np.array(["ash", "oak", "yew"], object)
    half = (torch.tensor(x).bfloat16(), words[y], torch.tensor(x_test).bfloat16(), words[y_test])
    recipe = in_memory.with_data(from_table(TABLE), half, tmp_path)
    with np.load(recipe.data.name) as stored:
        assert stored["x_train"].dtype == np.float32
        assert stored["y_train"][:3].tolist() == ["ash", "oak", "yew"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d[:3], "it is a list of length 3; it must be"),
        (lambda _: "toy.npz", "it is a str; it must be"),
        (lambda d: (d[0], d[2]), "the train part is a ndarray; it must be a dataset of torch"),
        (lambda d: (Pairs(d[0], [{}] * 100), Pairs(d[2], d[3])), "y_train is an array of Python"),
        (lambda d: (Pairs([], []), Pairs(d[2], d[3])), "the examples of the train part must be"),
        (
            lambda d: (Pairs([np.zeros(i % 2 + 1) for i in range(9)], d[1]), Pairs(d[2], d[3])),
            "the examples of x_train have different shapes, (1,), (2,)",
        ),
        (lambda d: (d[0], d[1][:50], d[2], d[3]), "50"),
        (lambda d: (d[0].astype(complex), *d[1:]), "x_train has type complex"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(toy, tmp_path, change, message):
    folder = tmp_path / "runs"
    with pytest.raises(DataError) as caught:
        in_memory.with_data(from_table(TABLE), change(toy), folder)
    assert str(caught.value).startswith("data: ")
    assert message in str(caught.value)
    assert not folder.exists()


@pytest.mark.parametrize("option", [{"resize": [8, 8]}, {"keys": ["a", "b", "c", "d"]}])
def test_fields_about_files_are_refused_before_anything_is_written(toy, tmp_path, option):
    recipe = from_table(TABLE | {"data": {**TABLE["data"], "name": "toy.npz", **option}})
    with pytest.raises(DataError, match=r"data\.(resize|keys) is set, which only data in"):
        in_memory.with_data(recipe, toy, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
