"""Arrays of inputs: types, orders of memory, shapes, units, numbers that are none."""

from pathlib import Path

import numpy as np
from hostile_case import hostile
from hostile_data import (
    FEATURES,
    LABELS,
    RANDOM,
    TEST,
    TRAIN,
    arrays,
    is_read,
    is_refused_by_train,
    is_said_by_train,
    read,
    standardized,
    write,
)

KIND = "arrays"
IMAGES = RANDOM.integers(0, 256, (60, 5, 6), np.uint8)
EXPECTED = standardized(IMAGES, (0, 1, 2))[:, None]


@hostile(KIND, "features in float16, big-endian float64, long double or Fortran order", "read")
def types_of_floats(_: Path) -> None:
    half = FEATURES.astype(np.float16)
    write(arrays(half))
    is_read(standardized(half))
    for given in (
        FEATURES.astype(">f8"),
        FEATURES.astype(np.longdouble),
        np.asfortranarray(FEATURES),
    ):
        write(arrays(given))
        is_read(standardized(FEATURES))


@hostile(KIND, "features in int8, uint16, int64, uint64 or bool", "read")
def types_of_integers(_: Path) -> None:
    for dtype in (np.int8, np.uint16, np.int64, np.uint64, bool):
        given = (FEATURES > 5 if dtype is bool else np.abs(FEATURES * 9)).astype(dtype)
        write(arrays(given))
        is_read(standardized(given))


@hostile(KIND, "features as views with negative and zero strides, written by np.savez", "read")
def strides(_: Path) -> None:
    write(arrays(FEATURES[::-1, ::2]))
    is_read(standardized(FEATURES[::-1, ::2]))
    constant = np.broadcast_to(np.float64(7), (60, 3))
    write(arrays(constant))
    is_read(np.zeros((60, 3)))


@hostile(KIND, "features in float64 for training and in float32 or int64 for the test", "read")
def mixed_types(_: Path) -> None:
    rounded = np.round(FEATURES)
    for dtype in (np.float32, np.int64, np.uint8):
        write(arrays(rounded, x_test=rounded[TEST].astype(dtype)))
        is_read(standardized(rounded))


@hostile(KIND, "features of complex numbers", "refused")
def complex_numbers(_: Path) -> None:
    write(arrays(FEATURES.astype(complex)))
    is_refused_by_train(r"x_train has type complex128; it must contain real numbers")


@hostile(KIND, "features as dates and as durations", "refused")
def dates(_: Path) -> None:
    for kind in ("M8[s]", "m8[ns]"):
        write(arrays(FEATURES.astype(np.int64).astype(kind)))
        is_refused_by_train(r"x_train has type (datetime64|timedelta64).*real numbers")


@hostile(KIND, "features as text", "refused")
def text(_: Path) -> None:
    write(arrays(FEATURES.astype(str)))
    is_refused_by_train(r"x_train has type <U\d+; it must contain real numbers")


@hostile(KIND, "records of 200 named columns", "refused")
def records(_: Path) -> None:
    dtype = [(f"a column with a long name {i}", "f8") for i in range(200)]
    write(arrays(np.zeros(60, dtype)))
    is_refused_by_train(r"x_train has type .*real numbers")


@hostile(KIND, "features as Python objects, as of a table with mixed columns", "refused")
def objects(_: Path) -> None:
    write(arrays(FEATURES.astype(object)))
    is_refused_by_train(r"x_train contains Python objects.*x_train\.astype\(str\) or \.astype")


@hostile(KIND, "x without axes, with one, and with five", "refused")
def number_of_axes(_: Path) -> None:
    for given in (np.float64(1), np.ones(40), np.ones((40, 1, 2, 2, 2))):
        write(arrays(x_train=np.asarray(given)))
        is_refused_by_train(r"x_train has shape \(.*\); it must be \(N, D\), \(N, H, W\)")


@hostile(KIND, "an array of 64 axes", "refused")
def many_axes(_: Path) -> None:
    write(arrays(x_train=np.ones((1,) * 64)))
    is_refused_by_train(r"x_train has shape \(1, .*it must be")


@hostile(KIND, "no training examples, no test examples, no features", "refused")
def empty(_: Path) -> None:
    write(arrays(x_train=FEATURES[:0], y_train=LABELS[:0]))
    is_refused_by_train(r"x_train has shape \(0, 3\); .*at least one example")
    write(arrays(x_test=FEATURES[:0], y_test=LABELS[:0]))
    is_refused_by_train(r"x_test has shape \(0, 3\); .*at least one example")
    write(arrays(FEATURES[:, :0]))
    is_refused_by_train(r"x_train has shape \(40, 0\); .*one number per example")


@hostile(KIND, "the only training example is held out", "refused")
def none_left(_: Path) -> None:
    write(arrays(x_train=FEATURES[:1], y_train=LABELS[:1]))
    is_refused_by_train(r"data\.val is 1, but data\.npz has only 1 training", val=1)


@hostile(KIND, "one training example, and one test example", "read")
def one_example(_: Path) -> None:
    write(
        arrays(x_train=FEATURES[:1], y_train=LABELS[:1], x_test=FEATURES[1:2], y_test=LABELS[1:2])
    )
    loaded = read()
    np.testing.assert_allclose(loaded.part("test").x, FEATURES[1:2] - FEATURES[:1], rtol=1e-5)


@hostile(KIND, "NaN in the training part only, and in the test part only", "refused")
def nan_in_one_part(_: Path) -> None:
    for key in ("x_train", "x_test"):
        given = arrays()
        given[key] = given[key].copy()
        given[key][[2, 5], 1] = np.nan
        write(given)
        is_refused_by_train(rf"{key} contains NaN.* in 2 of {len(given[key])} examples")


@hostile(KIND, "infinity beside a large offset", "refused")
def infinity(_: Path) -> None:
    given = np.add(FEATURES, [1.7e9, 0, 0])
    given[50, 0] = -np.inf
    write(arrays(given))
    is_refused_by_train(r"x_test contains NaN, infinity .* in 1 of 20 examples")


@hostile(KIND, "numbers beyond float32, as 1e300 for a missing value", "refused")
def beyond_float32(_: Path) -> None:
    given = FEATURES.copy()
    given[3, 2] = 1e300
    write(arrays(given))
    is_refused_by_train(r"x_train contains .*beyond float32 in 1 of 40")


@hostile(KIND, "features as small as 1e-50, and denormal float32", "read")
def tiny(_: Path) -> None:
    write(arrays(FEATURES * 1e-50))
    is_read(standardized(FEATURES))
    write(arrays(FEATURES * 1e-300))
    is_read(standardized(FEATURES))
    denormal = (FEATURES * 1e-41).astype(np.float32)
    write(arrays(denormal))
    np.testing.assert_allclose(
        read().part("train").x, standardized(denormal.astype(np.float64) * 1e41)[TRAIN], atol=2e-2
    )


@hostile(KIND, "an offset of 1e6 to a variation of 1e-3, in float64", "read")
def offset(_: Path) -> None:
    small = FEATURES * 1e-3
    shifted = small + 1e6
    write(arrays(shifted))
    is_read(standardized(shifted))
    assert np.abs(standardized(shifted) - standardized(small)).max() < 1e-6


@hostile(KIND, "time stamps in nanoseconds as int64 and uint64", "read")
def nanoseconds(_: Path) -> None:
    ticks = np.round(FEATURES * 100).astype(np.int64)
    for dtype in (np.int64, np.uint64):
        write(arrays((ticks + 1_700_000_000_000_000_000).astype(dtype)))
        is_read(standardized(ticks))


@hostile(KIND, "images with an offset of 1e7 in one channel", "read")
def offset_of_a_channel(_: Path) -> None:
    images = RANDOM.normal(0, 0.1, (60, 3, 4, 5))
    expected = standardized(images, (0, 2, 3))
    images[:, 1] += 1e7
    write(arrays(images))
    is_read(expected)


@hostile(KIND, "an offset with data.standardize = false", "refused")
def offset_without_centering(_: Path) -> None:
    write(arrays(np.add(FEATURES, [0, 0, 1.7e9])))
    is_refused_by_train(r"column or channel 2 .*data\.standardize is false", standardize=False)


@hostile(KIND, "one constant feature, also one that is constant but for rounding", "read")
def constant(_: Path) -> None:
    given = FEATURES.copy()
    given[:, 0] = 0.1
    given[:, 1] = np.where(LABELS == 1, 0.1 + 0.2, 0.3)
    expected = standardized(given)
    expected[:, :2] = 0
    write(arrays(given))
    is_read(expected)


@hostile(KIND, "every feature constant", "read")
def all_constant(_: Path) -> None:
    write(arrays(np.full((60, 3), -1e9 - 0.25)))
    is_read(np.zeros((60, 3)))


@hostile(KIND, "other numbers of features in the two parts", "refused")
def features_differ(_: Path) -> None:
    write(arrays(x_test=FEATURES[TEST, :2]))
    is_refused_by_train(r"training example has shape \(3,\) and one test example \(2,\)")


@hostile(KIND, "other numbers of channels or another order of axes in the test part", "refused")
def channels_differ(_: Path) -> None:
    images = RANDOM.random((60, 3, 8, 9))
    for test in (RANDOM.random((20, 4, 8, 9)), images[TEST].transpose(0, 2, 3, 1)):
        write(arrays(images, x_test=test))
        is_refused_by_train(r"training example has shape \(3, 8, 9\) and one test example")


@hostile(KIND, "images for training, features for the test", "refused")
def images_and_features(_: Path) -> None:
    write(arrays(IMAGES, x_test=IMAGES[TEST].reshape(20, -1)))
    is_refused_by_train(r"\(1, 5, 6\) and one test example \(30,\)")


@hostile(KIND, "images of 3x3x3 and 4x4x4", "refused")
def ambiguous(_: Path) -> None:
    for side in (3, 4):
        images = RANDOM.random((60, side, side, side))
        write(arrays(images))
        is_refused_by_train(r"x_train has shape .*set data\.layout = 'nchw' or 'nhwc'")
        is_read(standardized(images.transpose(0, 3, 1, 2), (0, 2, 3)), layout="nhwc")
        is_read(standardized(images, (0, 2, 3)), layout="nchw")


@hostile(KIND, "images of 2 or 13 channels, channels last", "refused")
def unusual_channels(_: Path) -> None:
    for channels in (2, 13):
        images = RANDOM.random((60, 16, 16, channels))
        write(arrays(images))
        is_refused_by_train(r"x_train has shape .*set data\.layout")
        is_read(standardized(images.transpose(0, 3, 1, 2), (0, 2, 3)), layout="nhwc")


@hostile(KIND, "images of 2 or 13 channels, channels first", "read")
def unusual_channels_first(_: Path) -> None:
    for channels in (2, 13):
        images = RANDOM.random((60, channels, 16, 16))
        write(arrays(images))
        is_read(standardized(images, (0, 2, 3)))


@hostile(KIND, "feature maps of 7x7 pixels and 512 channels, channels last", "refused")
def feature_maps(_: Path) -> None:
    write(arrays(np.zeros((60, 6, 7, 512), np.uint8)))
    is_refused_by_train(r"x_train has shape \(40, 6, 7, 512\).*set data\.layout")


@hostile(KIND, "images of bytes with an alpha channel, channels last", "read")
def alpha(_: Path) -> None:
    images = RANDOM.integers(0, 256, (60, 5, 6, 4), np.uint8)
    write(arrays(images))
    is_read(standardized(images.transpose(0, 3, 1, 2), (0, 2, 3)))


@hostile(KIND, "signals (N, C, L), read as images of one channel", "read")
def signals(_: Path) -> None:
    given = RANDOM.normal(size=(60, 2, 9))
    write(arrays(given))
    is_read(standardized(given[:, None], (0, 2, 3)))


@hostile(KIND, "data.layout for features", "refused")
def layout_of_features(_: Path) -> None:
    write(arrays())
    is_refused_by_train(r"data\.layout is 'nhwc', and x_train has shape", layout="nhwc")


@hostile(KIND, "test images in bytes, training images in float 0..255", "refused")
def scale_differs(_: Path) -> None:
    write(arrays(IMAGES, x_train=IMAGES[TRAIN].astype(np.float32)))
    is_refused_by_train(r"x_train has type float32 .* x_test has type uint8 .*set data\.scale")
    is_read(EXPECTED, scale=255)


@hostile(KIND, "training images 0..255, test images 0..1, both in float", "refused")
def units_differ(_: Path) -> None:
    write(arrays(IMAGES / 1.0, x_test=IMAGES[TEST] / 255))
    is_refused_by_train(r"numbers up to 25\d.*numbers up to .*set data\.scale")


@hostile(KIND, "pixels as features, 0..255 for training and 0..1 for the test", "refused")
def units_of_features_differ(_: Path) -> None:
    pixels = IMAGES.reshape(60, -1)
    for train in (pixels, pixels / 1.0):
        write(arrays(x_train=train[TRAIN], x_test=pixels[TEST] / 255))
        is_refused_by_train(r"numbers up to 25\d.*numbers up to .*set data\.scale")
    write(arrays(pixels, x_train=pixels[TRAIN] / 1.0))
    is_read(standardized(pixels))


@hostile(KIND, "a feature that is rarely large, and small in the test part", "read")
def rarely_large(_: Path) -> None:
    given = np.abs(FEATURES) / 20
    given[3, 0] = 100
    write(arrays(given))
    is_read(standardized(given))


@hostile(KIND, "NaN in images of floating point, beside images of bytes", "refused")
def nan_beside_bytes(_: Path) -> None:
    images = IMAGES / 1.0
    images[7, 2, 2] = np.nan
    write(arrays(IMAGES, x_train=images[TRAIN]))
    is_refused_by_train(r"x_train contains NaN, .* in 1 of 40 examples")


@hostile(KIND, "test images in bytes that were cast from 0..1", "read, and said")
def cast_to_zero(_: Path) -> None:
    write(arrays(IMAGES, x_test=(IMAGES[TEST] / 255).astype(np.uint8)))
    is_said_by_train("in 1 of 1 channels, x_test has")


@hostile(KIND, "standardized features for training, raw features for the test", "read, and said")
def features_not_scaled(_: Path) -> None:
    raw = FEATURES * 100
    write(arrays(x_train=standardized(raw)[TRAIN], x_test=raw[TEST]))
    is_said_by_train("in 3 of 3 features, x_test has a mean more than 10 standard")


@hostile(KIND, "boolean images, and images of 16 bits", "read")
def other_images(_: Path) -> None:
    write(arrays(IMAGES > 100))
    is_read(standardized(IMAGES > 100, (0, 1, 2))[:, None])
    write(arrays(IMAGES.astype(np.uint16) * 257))
    is_read(EXPECTED)


@hostile(KIND, "more held out than there are training examples", "refused")
def held_out(_: Path) -> None:
    write(arrays())
    is_refused_by_train(r"data\.val is 40, but data\.npz has only 40", val=40)


@hostile(KIND, "regression targets: NaN, words, none, and another number of columns", "refused")
def targets(_: Path) -> None:
    y = FEATURES[:, :2].copy()
    write(arrays(y=np.where(LABELS[:, None] == 1, np.nan, y)))
    is_refused_by_train(r"y_train contains NaN or infinity", family="gaussian")
    write(arrays(y=np.array(["a", "b", "c"])[LABELS]))
    is_refused_by_train(r"y_train has shape .*real numbers, \(N,\)", family="gaussian")
    write(arrays(y=y[:, :0]))
    is_refused_by_train(r"y_train has no columns", family="gaussian")
    write(arrays(y_train=np.zeros(0), y_test=np.zeros(0)))
    is_refused_by_train(r"x_train has 40 examples and y_train has shape", family="gaussian")
    write(arrays(y=y, y_test=y[TEST, :1]))
    is_refused_by_train(r"x_test has 20 examples and y_test", family="gaussian")


@hostile(KIND, "regression targets with an offset of 1e9, as integers", "read")
def offset_of_targets(_: Path) -> None:
    y = np.round(FEATURES[:, :1] * 100).astype(np.int64)
    write(arrays(y=y + 10**9))
    loaded = read(family="gaussian")
    np.testing.assert_allclose(loaded.part("test").y, standardized(y)[TEST], rtol=1e-5, atol=1e-6)
