import numpy as np
import pytest
import torch

from jtdiag.engine.datasets import npz, rounding, splits
from jtdiag.errors import DataError
from jtdiag.recipe.toml import from_table

RANDOM = np.random.default_rng(0)
SMALL = RANDOM.normal(0, 10, (300, 2))


def both(x, *, standardize=True):
    """Return x in float32, split into 200 training and 100 test examples and joined again."""
    return np.concatenate(rounding.to_float32(x[:200], x[200:], standardize=standardize))


def standardized(x):
    """The slow, obvious way: float64, by the moments of the first 200 examples."""
    train = x[:200].astype(np.float64)
    axes = (0, *range(2, x.ndim))
    return (x - train.mean(axes, keepdims=True)) / train.std(axes, keepdims=True)


@pytest.mark.parametrize("offset", [1.7e9, -1.7e12, 1e14])
def test_differences_survive_a_large_offset(offset):
    x = SMALL.copy()
    x[:, 0] = np.round(x[:, 0] * 64) / 64  # exact in float64 beside the offset
    expected = standardized(x)
    x[:, 0] += offset
    np.testing.assert_allclose(standardized(both(x)), expected, atol=2e-5)
    if abs(offset) > 1e10:
        assert len(np.unique(x[:, 0].astype(np.float32))) < 0.1 * len(np.unique(x[:, 0]))


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_differences_of_integers_are_exact(dtype):
    """Nanoseconds since 1970: float64 knows them to 256 ns."""
    ticks = np.round(SMALL * 4).astype(np.int64)
    x = (ticks + 1_700_000_000_000_000_000).astype(dtype)
    np.testing.assert_allclose(standardized(both(x)), standardized(ticks), atol=1e-5)


def test_images_are_centered_by_channel():
    images = RANDOM.normal(0, 0.01, (300, 2, 3, 3))
    images[:, 1] += 2e5
    float32 = both(images)
    np.testing.assert_array_equal(float32[:, 0], images[:, 0].astype(np.float32))
    np.testing.assert_allclose(standardized(float32), standardized(images), atol=2e-5)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int32, np.uint8])
def test_numbers_that_float32_can_tell_apart_are_unchanged(dtype):
    x = (np.abs(SMALL) + 100).astype(dtype)
    result = both(x)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, x.astype(np.float32))


def test_a_feature_beside_one_with_an_offset_is_unchanged():
    x = np.add(SMALL, [1.7e9, 0])
    np.testing.assert_array_equal(both(x)[:, 1], x[:, 1].astype(np.float32))


def test_a_constant_and_numbers_that_are_not_finite_are_unchanged():
    x = np.full((300, 2), 1.7e9 + 1)
    np.testing.assert_array_equal(both(x), x.astype(np.float32))
    x[0, 0] = np.nan
    np.testing.assert_array_equal(both(x), x.astype(np.float32))


def test_the_training_part_alone_decides():
    x = np.add(SMALL, [1.7e9, 0])
    train, _ = rounding.to_float32(x[:200], x[200:], standardize=True)
    other, _ = rounding.to_float32(x[:200], 5 * x[200:] + 1e6, standardize=True)
    np.testing.assert_array_equal(train, other)


def test_an_offset_without_standardization_is_refused():
    with pytest.raises(DataError, match=r"x_train differs in column or channel 1 by less than"):
        both(np.add(SMALL, [0, 1.7e9]), standardize=False)
    np.testing.assert_array_equal(both(SMALL, standardize=False), SMALL.astype(np.float32))


def loaded(path, **data):
    recipe = from_table(
        {"data": {"name": str(path), **data}, "members": {"arch": "mlp", "count": 2}}
    )
    return splits.load(recipe, torch.device("cpu"))


def test_a_file_with_an_offset_gives_the_inputs_of_one_without(tmp_path):
    x = np.round(SMALL * 64) / 64
    y = np.arange(300) % 2
    files = {"offset": np.add(x, [1.7e9, 0]), "plain": x}
    for name, values in files.items():
        arrays = {"x_train": values[:200], "x_test": values[200:]}
        np.savez(tmp_path / f"{name}.npz", **arrays, y_train=y[:200], y_test=y[200:])
    with_offset, plain = (loaded(tmp_path / f"{name}.npz") for name in files)
    for split in ("train", "test"):
        assert (with_offset.part(split).x - plain.part(split).x).abs().max() < 2e-6
    as_given = loaded(tmp_path / "plain.npz", standardize=False).part("train").x
    np.testing.assert_array_equal(as_given.numpy(), x[:200].astype(np.float32))
    assert npz.load(tmp_path / "plain.npz").mean is None


@pytest.mark.parametrize("unit", [1e-44, 1e-150, 1e-300])
def test_numbers_too_small_for_float32_keep_their_differences(unit):
    x = SMALL * [unit, 1]
    assert len(np.unique(np.abs(x[:, 0]).astype(np.float32))) < 150
    np.testing.assert_allclose(standardized(both(x)), standardized(SMALL), atol=1e-5)


def test_rounding_errors_of_a_constant_are_not_taken_for_differences():
    """One unit in the last place around 0.3, as of sums in different orders."""
    x = SMALL.copy()
    x[:, 0] = np.where(np.arange(300) % 2, 0.1 + 0.2, 0.3)
    assert len(np.unique(x[:, 0])) == 2
    assert len(np.unique(both(x)[:, 0])) == 1
