import tracemalloc

import numpy as np
import pytest

from jtdiag.engine.datasets.arrays import Arrays, channel_moments, located
from jtdiag.errors import DataError


def arrays(**changed):
    """Three training and two test examples of two features, in two classes."""
    parts = {
        "x_train": np.zeros((3, 2), np.float32),
        "y_train": np.array([0, 1, 0]),
        "x_test": np.zeros((2, 2), np.float32),
        "y_test": np.array([1, 0]),
        "classes": ("cat", "dog"),
        "mean": None,
        "sd": None,
    }
    return Arrays(**(parts | changed))


def test_a_class_may_be_missing_in_the_test_part():
    assert arrays(y_test=np.array([1, 1])).classes == ("cat", "dog")


def test_data_sets_are_compared_by_identity_and_may_be_keys():
    one = arrays()
    assert one == one
    assert one != arrays()
    assert {one: 1}[one] == 1


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"x_test": np.zeros((0, 2), np.float32)}, r"x_test has shape \(0, 2\); .* at least one"),
        ({"x_train": np.zeros((3, 0), np.float32)}, r"x_train has shape \(3, 0\); .* at least one"),
        ({"x_test": np.array([[0, np.nan], [0, 0]], np.float32)}, r"x_test .* NaN.* in 1 of 2"),
        ({"x_train": np.full((3, 2), np.inf, np.float32)}, r"x_train .* infinity.* in 3 of 3"),
        ({"y_train": np.array([0, 1])}, r"x_train has 3 examples and y_train has 2 labels"),
        ({"y_test": np.array([0, 2])}, r"y_test ranges from 0 to 2; with 2 classes, .* 0\.\.1"),
        ({"y_test": np.array([-1, 1])}, r"y_test ranges from -1 to 1; .* 0\.\.1"),
        (
            {"x_test": np.zeros((2, 4), np.float32)},
            r"one training example has shape \(2,\) and one test example \(4,\)",
        ),
        (
            {"classes": ("cat",), "y_train": np.zeros(3, int), "y_test": np.zeros(2, int)},
            r"there is only one class",
        ),
    ],
)
def test_what_no_source_may_deliver_is_refused(changed, says):
    with pytest.raises(DataError, match=rf"^{says}.*\.$"):
        arrays(**changed)


def test_located_says_where_the_data_lie():
    with pytest.raises(DataError, match=r"^my\.npz: y_train is too short\.$"), located("my.npz"):
        raise DataError("y_train is too short.")


def test_moments_of_images_are_one_pair_per_channel():
    x = np.random.default_rng(0).random((7, 3, 4, 5), np.float32)
    mean, sd = channel_moments(x)
    wide = x.astype(np.float64)
    assert mean == pytest.approx(wide.mean((0, 2, 3)), rel=1e-12)
    assert sd == pytest.approx(wide.std((0, 2, 3)), rel=1e-12)


def test_moments_of_vectors_are_one_pair_per_feature():
    x = np.array([[0, 10], [2, 30]], np.float32)
    assert channel_moments(x) == ((1.0, 20.0), (1.0, 10.0))


def test_moments_survive_a_mean_that_dwarfs_the_deviation():
    x = np.array([[4096.0], [4096.5]] * 5000, np.float32)
    assert channel_moments(x) == ((4096.25,), (0.25,))


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e30])
def test_the_deviation_of_a_constant_channel_counts_as_one(constant):
    x = np.full((1001, 2, 3, 3), constant, np.float32)
    x[:, 1, 0, 0] += 1 + abs(x[:, 1, 0, 0])
    mean, sd = channel_moments(x)
    assert mean[0] == pytest.approx(float(np.float32(constant)), rel=1e-12)
    assert sd[0] == 1.0
    assert sd[1] == pytest.approx((1 + constant) * 8**0.5 / 9, rel=1e-6)


@pytest.mark.slow
def test_moments_over_many_blocks_equal_those_of_one_copy():
    x = np.random.default_rng(1).normal(3, 2, (5000, 1000)).astype(np.float32)
    mean, sd = channel_moments(x)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(mean, wide.mean(0), rtol=1e-12)
    np.testing.assert_allclose(sd, wide.std(0), rtol=1e-12)


@pytest.mark.slow
def test_moments_never_copy_the_whole_array():
    x = np.ones((40_000, 1000), np.float32)  # 160 MB, 320 MB in float64
    tracemalloc.start()
    channel_moments(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 8e6 < peak < 64e6  # numpy reports to tracemalloc: a block is seen, so a copy would be
