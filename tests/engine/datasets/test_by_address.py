"""Data by an address: functions, data sets of torchvision, folders of Hugging Face."""

import importlib
import importlib.util
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

import jtdiag
from jtdiag.engine import datasets
from jtdiag.engine.datasets import in_memory
from jtdiag.errors import DataError
from jtdiag.testing import TOY, toy_data

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(12, 4)).astype(np.float32), np.arange(12) % 3
FUNCTIONS = """
import numpy as np
import torch
from torch.utils.data import TensorDataset

with np.load("x.npz") as stored:
    X, Y = stored["x"], stored["y"]


def arrays():
    return X[:8], Y[:8], X[8:], Y[8:]


def parts():
    x, y = torch.tensor(X), torch.tensor(Y)
    return TensorDataset(x[:8], y[:8]), TensorDataset(x[8:], y[8:])


def images():
    x = torch.arange(4 * 2 * 3 * 3).reshape(4, 2, 3, 3).float()
    return x, [0, 1, 0, 1], x, [0, 1, 0, 1]


def numbers():
    return X[:8], X[:8, :2], X[8:], X[8:, :2]


def fails():
    raise OSError("the disk is full")


def wrong():
    return X


value = 3
"""


def write_images(folder):
    """Four training and three test examples in the files of Fashion-MNIST."""
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for part, labels in (("train", [9, 0, 3, 3]), ("t10k", [1, 9, 0])):
        images = RANDOM.integers(0, 256, (len(labels), 28, 28))
        for name, values in (("images-idx3", images), ("labels-idx1", np.array(labels))):
            head = struct.pack(f">{1 + values.ndim}I", 0x0800 + values.ndim, *values.shape)
            path = raw / f"{part}-{name}-ubyte"
            path.write_bytes(head + values.astype(np.uint8).tobytes())


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("x.npz", x=X, y=Y)
    (tmp_path / "mine.py").write_text(FUNCTIONS)
    return tmp_path


def load(name, **options):
    return datasets.load(name, Path("data"), **options)


@pytest.mark.parametrize("name", ["arrays", "parts"])
def test_a_function_returns_arrays_or_datasets(name):
    data = load(f"mine.py:{name}")
    np.testing.assert_array_equal(data.x_train, X[:8])
    np.testing.assert_array_equal(data.y_test, Y[8:])


def test_images_as_tensors_have_channels_first():
    data = load("mine.py:images", options={"scale": 2})
    np.testing.assert_array_equal(data.x_train.ravel(), np.arange(72) / 2)
    assert data.x_train.shape == (4, 2, 3, 3)


def test_numbers_are_targets_of_other_families():
    assert load("mine.py:numbers", numbers=True).y_train.shape == (8, 2)


def test_a_module_is_an_address_too(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    (folder / "data_of_mine.py").write_text(FUNCTIONS)
    np.testing.assert_array_equal(load("data_of_mine:arrays").x_train, X[:8])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine.py:array", r"has no function 'array'\. Did you mean 'arrays'"),
        ("mine.py:value", "has no function 'value'"),
        ("none.py:arrays", "there is no file none.py"),
        ("mine.py:fails", "mine.py:fails: the function fails: the disk is full"),
        ("mine.py:wrong", r"mine.py:wrong: it is a ndarray; it must be \(x_train, y_train,"),
        ("torchvision:CIFAR11", "torchvision has no data set 'CIFAR11'. Did you mean 'CIFAR10'"),
        ("torchvision:MNIST", r"to download it: torchvision.datasets.MNIST\('data', train=True"),
        ("torchvision:FakeData", "has no training and test part; load it in a function"),
    ],
)
def test_what_is_no_data_is_one_line(name, message, folder):
    with pytest.raises(DataError, match=message) as caught:
        load(name)
    assert "\n" not in str(caught.value)
    assert not (folder / "data").exists()


def test_fields_for_files_are_refused():
    with pytest.raises(DataError, match="data.keys is set"):
        load("mine.py:arrays", options={"keys": ("a", "b", "c", "d")})


def test_data_of_torchvision_are_read_by_name(folder):
    write_images(folder / "data")
    data = load("torchvision:FashionMNIST")
    own = load("fashion-mnist")
    for part in ("x_train", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(data, part), getattr(own, part))
    assert data.y_train.tolist() == [9, 0, 3, 3]


def test_a_missing_package_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match="the package datasets is not installed"):
        load("huggingface:folder")


class OfHuggingFace:
    """A dataset with columns, like those of the package datasets."""

    def __init__(self, names=(), **columns):
        self.column_names, self._columns = list(columns), columns
        self.features = {name: SimpleNamespace() for name in columns}
        if names:
            self.features["label"] = SimpleNamespace(names=list(names))

    def __len__(self):
        return len(next(iter(self._columns.values())))

    def __getitem__(self, index):
        return {name: values[index] for name, values in self._columns.items()}


def test_columns_are_inputs_and_targets():
    parts = [
        OfHuggingFace(label=y.tolist(), vector=x.tolist(), names=("ash", "elm", "oak"))
        for x, y in ((X[:8], Y[:8]), (X[8:], Y[8:]))
    ]
    for data in (tuple(parts), {"train": parts[0], "test": parts[1], "validation": None}):
        arrays = in_memory.arrays_of(data, numbers=False)
        np.testing.assert_array_equal(arrays.x_train, X[:8])
        np.testing.assert_array_equal(arrays.y_test, Y[8:])
        assert arrays.classes == ("ash", "elm", "oak")


@pytest.mark.parametrize("columns", [{"a": [1], "b": [2]}, {"label": [1], "y": [1]}, {"y": [1]}])
def test_columns_that_are_unclear_are_one_line(columns):
    part = OfHuggingFace(**columns)
    with pytest.raises(DataError, match=r"the train part has the columns .*; keep two"):
        in_memory.arrays_of((part, part), numbers=False)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(
    importlib.util.find_spec("datasets") is None, reason="datasets is not installed"
)
def test_a_folder_of_hugging_face(folder):
    package = importlib.import_module("datasets")
    parts = {"train": (X[:8], Y[:8]), "test": (X[8:], Y[8:])}
    saved = package.DatasetDict(
        {
            name: package.Dataset(
                package.table.InMemoryTable.from_pydict(
                    {"vector": x.tolist(), "label": y.tolist()}
                ),
                fingerprint=name,
            )
            for name, (x, y) in parts.items()
        }
    )
    saved.save_to_disk(str(folder / "saved"))
    data = load(f"huggingface:{folder / 'saved'}")
    np.testing.assert_array_equal(data.x_train, X[:8])
    np.testing.assert_array_equal(in_memory.arrays_of(saved, numbers=False).y_test, Y[8:])
    with pytest.raises(DataError, match="it cannot be read"):
        load("huggingface:none")


@pytest.mark.slow
def test_a_run_of_a_function_is_that_of_the_file_and_notices_other_data(folder):
    toy_data(folder / "toy.npz")
    (folder / "toy.py").write_text(
        "import numpy as np\n\ndef data():\n    with np.load('toy.npz') as z:\n"
        "        return [z[k] for k in ('x_train', 'y_train', 'x_test', 'y_test')]\n"
    )
    table = {**TOY, "lam": [0.5], "trials": 1, "train": {"epochs": 1, "batch": 16, "lr": 0.3}}
    of_file = jtdiag.train(table, "runs/file")
    table = {**table, "data": {**table["data"], "name": "toy.py:data"}}
    run = jtdiag.train(table, "runs/function")
    assert run.metrics().equals(of_file.metrics())
    assert run.settings["data_fingerprint"] == of_file.settings["data_fingerprint"]
    with np.load("toy.npz") as stored:
        arrays = dict(stored)
    np.savez("toy.npz", **{**arrays, "x_train": arrays["x_train"] + 1})
    with pytest.raises(DataError, match="are not those that the run was trained on"):
        jtdiag.train({**table, "trials": 2}, "runs/function", resume=True)


def test_tensors_of_torch_are_still_pairs():
    part = TensorDataset(torch.tensor(X), torch.tensor(Y))
    np.testing.assert_array_equal(in_memory.arrays_of((part, part), numbers=False).x_test, X)
