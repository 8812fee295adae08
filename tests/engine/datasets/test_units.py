import numpy as np
import pytest

from jtdiag.engine import wording
from jtdiag.engine.datasets import units

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(5, 2, (100, 4)).astype(np.float32)
TEST = RANDOM.normal(5, 2, (50, 4)).astype(np.float32)


def test_parts_in_the_same_units_have_no_note():
    assert units.different_units(X, TEST) == ()
    assert units.different_units(X, X[:1] * 3) == ()


@pytest.mark.parametrize(("scale", "offset"), [(1 / 255, 0), (100, 0), (1, 30), (1, -30)])
def test_another_scale_or_offset_is_stated(scale, offset):
    expected = wording.different_units(4, 4, units.FAR, units.RATIO, images=False)
    assert units.different_units(X, TEST * scale + offset) == (expected,)


def test_half_of_the_features_are_enough_and_fewer_are_not():
    test = TEST.copy()
    test[:, 0] += 1000
    assert units.different_units(X, test) == ()
    test[:, 1] += 1000
    [note] = units.different_units(X, test)
    assert note.startswith("in 2 of 4 features")


def test_constants_do_not_count():
    train, test = X.copy(), TEST.copy()
    train[:, 1:] = 0
    test[:, 1] = 9
    assert units.different_units(train, test) == ()
    test[:, 0] = 1e6
    [note] = units.different_units(train, test)
    assert note.startswith("in 1 of 1 features")
    assert units.different_units(np.zeros_like(X), TEST) == ()


def test_channels_of_images_are_compared():
    images = RANDOM.random((30, 2, 4, 4)).astype(np.float32)
    [note] = units.different_units(images * 255, images)
    assert note.startswith("in 2 of 2 channels")
