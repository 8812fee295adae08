from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from jtdiag.engine.datasets import digits

NOWHERE = Path("there is no such folder")


def test_digits_are_grey_images_in_float32_between_0_and_1():
    data = digits.load(NOWHERE)
    assert data.x_train.shape == (1297, 1, 8, 8)
    assert data.x_test.shape == (500, 1, 8, 8)
    assert data.x_train.dtype == data.x_test.dtype == np.float32
    assert data.y_train.dtype == data.y_test.dtype == np.int64
    assert (data.x_train.min(), data.x_train.max()) == (0, 1)
    assert data.classes == tuple("0123456789")
    assert data.mean is data.sd is None


def test_every_image_is_in_one_part_with_its_own_label():
    data = digits.load(NOWHERE)
    x = np.concatenate([data.x_train, data.x_test]).reshape(1797, -1) * 16
    y = np.concatenate([data.y_train, data.y_test])
    given = load_digits()
    ours = sorted((*image, label) for image, label in zip(x.tolist(), y.tolist(), strict=True))
    theirs = sorted(
        (*image, label)
        for image, label in zip(given.data.tolist(), given.target.tolist(), strict=True)
    )
    assert ours == theirs


def test_all_classes_are_in_both_parts():
    data = digits.load(NOWHERE)
    assert np.bincount(data.y_train, minlength=10).min() > 100
    assert np.bincount(data.y_test, minlength=10).min() > 30


def test_the_split_is_the_same_every_time():
    one, two = digits.load(NOWHERE), digits.load(NOWHERE)
    np.testing.assert_array_equal(one.x_test, two.x_test)
    # Stored when the split was made: a run of today must be comparable with one of next year.
    assert one.y_test[:12].tolist() == [1, 9, 9, 5, 1, 6, 2, 4, 6, 4, 4, 9]
    assert one.y_train[:12].tolist() == [1, 2, 5, 5, 0, 7, 9, 0, 7, 8, 5, 0]
