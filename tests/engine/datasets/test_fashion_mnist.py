import struct
from pathlib import Path

import numpy as np
import pytest

from jtdiag.engine.datasets import fashion_mnist
from jtdiag.engine.torchvision_import import import_torchvision
from jtdiag.errors import DataError

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
FASHION = import_torchvision().datasets.FashionMNIST


def pixels(count):
    """Images of 28x28, all different: the first is black, the last white."""
    return np.linspace(0, 255, count * 784).astype(np.uint8).reshape(count, 28, 28)


def write_idx(path, values):
    """Write unsigned bytes in the IDX format: type and number of axes, lengths, values."""
    head = struct.pack(f">{1 + values.ndim}I", 0x0800 + values.ndim, *values.shape)
    path.write_bytes(head + values.astype(np.uint8).tobytes())


def write_all(root):
    """Write four training and three test examples in torchvision's layout; return the folder."""
    raw = root / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for part, labels in (("train", [9, 0, 3, 3]), ("t10k", [1, 9, 0])):
        write_idx(raw / f"{part}-images-idx3-ubyte", pixels(len(labels)))
        write_idx(raw / f"{part}-labels-idx1-ubyte", np.array(labels))
    return raw


@pytest.fixture
def raw(tmp_path):
    return write_all(tmp_path)


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """The mirrors are a folder that does not exist."""
    monkeypatch.setattr(FASHION, "mirrors", [f"{(tmp_path / 'no mirror').as_uri()}/"])


def served(monkeypatch, broken=False):
    """Let torchvision's download write the files, or one of them and then break off."""
    seen = []

    def download(dataset):
        seen.append(dataset.raw_folder)
        made = write_all(Path(dataset.root))
        if broken:
            for name in FILES[1:]:
                (made / name).unlink()
            raise RuntimeError("Error downloading it:\nTried a mirror,\ngot: nothing")

    monkeypatch.setattr(FASHION, "download", download)
    return seen


@pytest.mark.usefixtures("raw")
def test_files_that_are_there_are_read_as_images_between_0_and_1(tmp_path):
    data = fashion_mnist.load(tmp_path)
    assert data.x_train.dtype == data.x_test.dtype == np.float32
    np.testing.assert_array_equal(data.x_train[:, 0], pixels(4).astype(np.float32) / 255)
    np.testing.assert_array_equal(data.x_test[:, 0], pixels(3).astype(np.float32) / 255)
    assert data.y_train.dtype == data.y_test.dtype == np.int64
    assert data.y_train.tolist() == [9, 0, 3, 3]
    assert data.y_test.tolist() == [1, 9, 0]
    assert (data.classes[0], data.classes[9], len(data.classes)) == (
        "T-shirt/top",
        "Ankle boot",
        10,
    )
    assert (data.mean, data.sd) == ((0.2860,), (0.3530,))


def test_our_list_of_files_is_torchvisions():
    assert [name.removesuffix(".gz") for name, _ in FASHION.resources] == list(FILES)
    assert fashion_mnist._FILES == FILES


@pytest.mark.usefixtures("raw")
def test_nothing_is_downloaded_when_the_files_are_there(tmp_path, monkeypatch):
    seen = served(monkeypatch)
    fashion_mnist.load(tmp_path)
    assert seen == []


@pytest.mark.usefixtures("offline")
def test_missing_files_and_no_network_are_one_line(tmp_path):
    root = tmp_path / "mistyped"
    with pytest.raises(DataError) as caught:
        fashion_mnist.load(root)
    message = str(caught.value)
    assert "\n" not in message
    assert f"{', '.join(FILES)} not found in {root / 'FashionMNIST' / 'raw'}" in message
    assert "the download failed (Error downloading train-images-idx3-ubyte.gz" in message
    assert "--set data.root=FOLDER" in message
    assert list(tmp_path.iterdir()) == []


def test_missing_files_are_downloaded(tmp_path, monkeypatch):
    served(monkeypatch)
    root = tmp_path / "new" / "data"
    assert fashion_mnist.load(root).y_test.tolist() == [1, 9, 0]
    assert sorted(path.name for path in (root / "FashionMNIST" / "raw").iterdir()) == sorted(FILES)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_file_that_was_there_is_not_replaced_by_a_download(tmp_path, raw, monkeypatch):
    write_idx(raw / FILES[3], np.array([5, 5, 5]))
    (raw / FILES[0]).unlink()
    served(monkeypatch)
    assert fashion_mnist.load(tmp_path).y_test.tolist() == [5, 5, 5]


def test_a_broken_download_leaves_nothing_behind(tmp_path, monkeypatch):
    seen = served(monkeypatch, broken=True)
    with pytest.raises(DataError, match=r"failed \(Error downloading it: Tried a mirror, got"):
        fashion_mnist.load(tmp_path)
    assert len(seen) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kept", [0, 3, 10, -1])
def test_a_file_that_was_cut_short_is_not_taken_for_whole(tmp_path, raw, name, kept):
    path = raw / name
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(
        DataError, match=rf"{name} has \d+ bytes and is not a complete IDX file.*\.$"
    ):
        fashion_mnist.load(tmp_path)


def test_a_file_of_another_kind_is_refused(tmp_path, raw):
    write_idx(raw / FILES[1], pixels(4))
    with pytest.raises(
        DataError, match=r"train-labels-idx1-ubyte .* not a complete IDX file with 1 axes"
    ):
        fashion_mnist.load(tmp_path)


def test_labels_that_do_not_fit_the_images_are_refused(tmp_path, raw):
    write_idx(raw / FILES[1], np.array([1, 2]))
    with pytest.raises(DataError, match=r"raw: x_train has 4 examples and y_train has 2 labels"):
        fashion_mnist.load(tmp_path)
