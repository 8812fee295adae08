from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jtdiag.engine import datasets
from jtdiag.errors import DataError


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "my.npz"
    x, y = np.eye(2), np.array([0, 1])
    np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)
    return path


@pytest.fixture
def photos(tmp_path):
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / "photos" / part / name).mkdir(parents=True)
            Image.new("L", (4, 4)).save(tmp_path / "photos" / part / name / "a.png")
    return tmp_path / "photos"


def test_digits_need_no_root():
    assert datasets.load("digits", Path("nowhere")).x_train.shape == (1297, 1, 8, 8)


def test_npz_and_folder_are_named_by_their_root(archive, photos):
    assert datasets.load("npz", archive).x_train.shape == (2, 2)
    assert datasets.load("folder", photos).classes == ("cat", "dog")


def test_a_path_will_do_as_a_name(archive, photos, monkeypatch):
    assert datasets.load(str(archive), Path("nowhere")).x_train.shape == (2, 2)
    assert datasets.load(str(photos), Path("nowhere")).classes == ("cat", "dog")
    monkeypatch.chdir(archive.parent)
    assert datasets.load("my.npz", Path("nowhere")).x_train.shape == (2, 2)
    assert datasets.load("photos", Path("nowhere")).classes == ("cat", "dog")


def test_a_known_name_goes_before_a_folder_of_that_name(tmp_path, monkeypatch):
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    assert len(datasets.load("digits", Path("nowhere")).classes) == 10


def test_a_missing_npz_is_no_unknown_name():
    with pytest.raises(DataError, match=r"^mine\.npz: there is no such file; "):
        datasets.load("mine.npz", Path("data"))


@pytest.mark.parametrize("typed", ["fashion_mnist", "FashionMNIST", "fashion-mnst", "mnist"])
def test_an_unknown_name_is_answered_by_the_nearest_one(typed):
    with pytest.raises(DataError) as caught:
        datasets.load(typed, Path("data"))
    assert str(caught.value) == (
        f"There is no data set '{typed}'. Did you mean 'fashion-mnist'? Use one of digits, "
        "fashion-mnist, folder, npz, diabetes, counts, labels, or the path of an .npz file or of "
        "a folder of images, or file.py:function."
    )


@pytest.mark.parametrize("typed", ["", "x" * 20])
def test_a_name_that_is_near_to_none_is_answered_by_the_list(typed):
    with pytest.raises(DataError, match=r"^There is no data set '\w*'\. Use one of digits, "):
        datasets.load(typed, Path("data"))
