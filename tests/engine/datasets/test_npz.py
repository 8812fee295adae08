import io
import re
import zipfile

import numpy as np
import pytest
import torch

from jtdiag.engine.datasets import npz, splits
from jtdiag.errors import DataError
from jtdiag.recipe import budget, wording
from jtdiag.recipe.toml import from_table


def written(tmp_path, leave_out=(), **changed):
    """Write a file of four training and two test vectors in three classes, with changes."""
    arrays = {
        "x_train": np.arange(8.0).reshape(4, 2),
        "y_train": np.array([0, 1, 2, 1]),
        "x_test": np.ones((2, 2)),
        "y_test": np.array([0, 1]),
    } | changed
    path = tmp_path / "my.npz"
    np.savez(path, **{key: array for key, array in arrays.items() if key not in leave_out})
    return path


def images(*shape, dtype=np.uint8):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def test_vectors_are_kept_as_given_in_float32(tmp_path):
    data = npz.load(written(tmp_path))
    assert data.x_train.dtype == np.float32
    np.testing.assert_array_equal(data.x_train, np.arange(8.0).reshape(4, 2))
    assert data.y_train.tolist() == [0, 1, 2, 1]
    assert data.mean is data.sd is None


def test_vectors_of_bytes_are_not_divided(tmp_path):
    x = np.array([[0, 255]] * 4, np.uint8)
    assert npz.load(written(tmp_path, x_train=x)).x_train.max() == 255


@pytest.mark.parametrize(
    ("given", "wanted", "source"),
    [
        ((5, 6), (1, 5, 6), lambda n, c, h, w: (n, h, w)),
        ((5, 6, 1), (1, 5, 6), lambda n, c, h, w: (n, h, w, c)),
        ((5, 6, 3), (3, 5, 6), lambda n, c, h, w: (n, h, w, c)),
        ((5, 6, 4), (4, 5, 6), lambda n, c, h, w: (n, h, w, c)),
        ((1, 5, 6), (1, 5, 6), lambda n, c, h, w: (n, c, h, w)),
        ((3, 5, 6), (3, 5, 6), lambda n, c, h, w: (n, c, h, w)),
        ((4, 5, 6), (4, 5, 6), lambda n, c, h, w: (n, c, h, w)),
        ((2, 5, 6), (2, 5, 6), lambda n, c, h, w: (n, c, h, w)),
        ((13, 16, 16), (13, 16, 16), lambda n, c, h, w: (n, c, h, w)),
    ],
)
def test_images_become_channels_first(tmp_path, given, wanted, source):
    x = images(4, *given)
    data = npz.load(written(tmp_path, x_train=x, x_test=x[:2]))
    assert data.x_train.shape == (4, *wanted)
    assert data.x_train.flags.c_contiguous
    for place in np.ndindex(data.x_train.shape):  # the slow, obvious way
        assert data.x_train[place] == np.float32(x[source(*place)]) / np.float32(255)


def test_images_of_floats_are_kept(tmp_path):
    x = images(4, 3, 3, dtype=np.float64) / 36
    data = npz.load(written(tmp_path, x_train=x, x_test=x[:2]))
    np.testing.assert_array_equal(data.x_train[:, 0], x.astype(np.float32))


def test_images_of_float32_are_not_divided(tmp_path):
    x = images(4, 3, 5, 5, dtype=np.float32)
    np.testing.assert_array_equal(npz.load(written(tmp_path, x_train=x, x_test=x[:2])).x_train, x)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "uint64", ">i2"])
def test_labels_may_be_integers_of_any_type_and_a_column(tmp_path, dtype):
    data = npz.load(written(tmp_path, y_train=np.array([[0], [2], [1], [0]], dtype)))
    assert data.y_train.dtype == np.int64
    assert data.y_train.tolist() == [0, 2, 1, 0]


def test_classes_without_names_are_numbered(tmp_path):
    assert npz.load(written(tmp_path)).classes == ("0", "1", "2")


@pytest.mark.parametrize("names", [["a", "b", "c", "ü"], [b"a", b"b", b"c", "ü".encode()]])
def test_classes_keep_their_names_also_those_without_examples(tmp_path, names):
    assert npz.load(written(tmp_path, classes=np.array(names))).classes == ("a", "b", "c", "ü")


def test_a_class_may_occur_in_the_test_part_only(tmp_path):
    assert npz.load(written(tmp_path, y_test=np.array([3, 3]))).classes == ("0", "1", "2", "3")


BAD = {
    "a key is missing": ({"leave_out": ["y_test", "x_test"]}, r"x_test, y_test missing; "),
    "fewer labels": ({"y_train": np.array([0, 1, 2])}, r"x_train has 4 .* y_train has 3 labels"),
    "labels are fractions": (
        {"y_test": np.array([0.5, 1.0])},
        r"y_test contains 0.5; labels must be .* set family = 'gaussian'\.",
    ),
    "some labels are words": ({"y_test": np.array(["a", "b"])}, r"y_test has type <U1; "),
    "labels are dates": (
        {"y_train": np.array([0, 1, 2, 1], "M8[D]")},
        r"y_train has type datetime64\[D\]; ",
    ),
    "a word is no class": (
        {
            "y_train": np.array(["a", "b", "a", "b"]),
            "y_test": np.array(["c", "a"]),
            "classes": np.array(["a", "b"]),
        },
        r"the labels include 'c', which is not among the names in classes; ",
    ),
    "rows are not one-hot": (
        {"y_train": np.eye(4, 3) + np.eye(4, 3, 1), "y_test": np.eye(2, 3)},
        r"y_train has shape \(4, 3\), but its rows are not one-hot",
    ),
    "one-hot rows of other widths": (
        {"y_train": np.eye(4, 3), "y_test": np.eye(2, 4)},
        r"y_train has 3 columns and y_test has 4 columns; ",
    ),
    "a label is negative": ({"y_train": np.array([0, 1, -1, 2])}, r"y_train .* the label -1; "),
    "a label is beyond int64": (
        {"y_train": np.array([0, 1, 2**64 - 1, 2], np.uint64)},
        r"y_train .* label 18446744073709551615; ",
    ),
    "one part is one-hot": ({"y_train": np.eye(4, dtype=int)}, r"y_train has shape \(4, 4\); "),
    "labels begin at two": (
        {"y_train": np.array([2, 3, 4, 2]), "y_test": np.array([2, 3])},
        (r"the largest label is 4, but only 3 of these 5 classes occur; number .* 0\.\.2"),
    ),
    "a label is above the names": (
        {"classes": np.array(["a", "b"])},
        r"y_train ranges from 0 to 2",
    ),
    "names are a table": ({"classes": np.array([["a", "b"]])}, r"classes has shape \(1, 2\) "),
    "names are floats": ({"classes": np.array([0.5, 1, 2])}, r"classes .* type float64; "),
    "a number is NaN": (
        {"x_test": np.array([[0, np.nan], [0, 0]])},
        r"x_test contains NaN.* 1 of 2",
    ),
    "a number is infinite": ({"x_test": np.full((2, 2), -np.inf)}, r"x_test .* 2 of 2"),
    "a number is beyond float32": ({"x_test": np.full((2, 2), 1e300)}, r"x_test .* 2 of 2"),
    "shapes differ": ({"x_test": np.ones((2, 3))}, r"shape \(2,\) and one test example \(3,\)"),
    "images and vectors": ({"x_test": images(2, 2, 2)}, r"\(2,\) and one test example \(1, 2, 2\)"),
    "training is empty": (
        {"x_train": np.ones((0, 2)), "y_train": np.array([], int)},
        r"x_train has shape \(0, 2\); ",
    ),
    "test is empty": (
        {"x_test": np.ones((0, 2)), "y_test": np.array([], int)},
        r"x_test has shape \(0, 2\); ",
    ),
    "all is empty": (
        {key: np.array([[]], int)[:0] for key in ("x_train", "x_test")}
        | {key: np.array([], int) for key in ("y_train", "y_test")},
        r"x_train has shape \(0, 0\); ",
    ),
    "x is one long list": ({"x_train": np.ones(4)}, r"x_train has shape \(4,\); it must be "),
    "x has five axes": ({"x_train": np.ones((4, 1, 2, 2, 2))}, r"x_train has shape \(4, 1, 2, 2"),
    "x holds words": ({"x_train": np.array([["a"]] * 4)}, r"x_train has type <U1; "),
    "x is complex": ({"x_train": np.ones((4, 2), complex)}, r"x_train has type complex128; "),
    "channels first or last": ({"x_train": images(4, 3, 3, 3)}, r"x_train .* can be read as"),
    "one class": (
        {"y_train": np.zeros(4, int), "y_test": np.zeros(2, int)},
        r"there is only one class; ",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_refused_in_one_line_that_names_the_file(tmp_path, what):
    changed, says = BAD[what]
    path = written(tmp_path, **changed)
    with pytest.raises(DataError, match=says) as caught:
        npz.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.endswith(".")
    assert "\n" not in message


def test_pickled_objects_are_not_loaded(tmp_path):
    path = written(tmp_path, x_train=np.array([[1, {}]] * 4, dtype=object))
    with pytest.raises(
        DataError, match=r"my\.npz: x_train contains Python objects, .* x_train\.astype\(str\)"
    ):
        npz.load(path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(DataError, match=r"my\.npz: there is no such file; "):
        npz.load(tmp_path / "my.npz")


@pytest.mark.parametrize("content", [b"", b"not an archive", b"\x93NUMPY"])
def test_a_file_that_is_no_archive_is_told(tmp_path, content):
    path = tmp_path / "my.npz"
    path.write_bytes(content)
    with pytest.raises(
        DataError, match=r"my\.npz: (not a complete \.npz archive|a single array); "
    ):
        npz.load(path)


def test_half_a_file_is_not_taken_for_whole(tmp_path):
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"my\.npz: not a complete \.npz archive; "):
        npz.load(path)


def test_a_damaged_file_is_told(tmp_path):
    path = written(tmp_path, x_train=np.full((4, 2), 1234.5))
    path.write_bytes(path.read_bytes().replace(np.float64(1234.5).tobytes(), b"damaged!"))
    with pytest.raises(DataError, match=r"my\.npz: the archive cannot be read \(.*CRC"):
        npz.load(path)


AMBIGUOUS = [(7, 5, 6), (16, 16, 13), (8, 8, 8), (3, 3, 3), (3, 8, 3), (8, 3, 3), (3, 3, 8)]


@pytest.mark.parametrize("given", AMBIGUOUS)
def test_an_order_of_axes_that_the_shape_leaves_open_is_asked_for(tmp_path, given):
    x = images(4, *given, dtype=np.float32)
    path = written(tmp_path, x_train=x, x_test=x[:2])
    shape = re.escape(str((4, *given)))
    with pytest.raises(DataError, match=rf"x_train has shape {shape}, .* set data.layout = 'nchw'"):
        npz.load(path)
    np.testing.assert_array_equal(npz.load(path, layout="nchw").x_train, x)
    last = npz.load(path, layout="nhwc").x_train
    np.testing.assert_array_equal(last, x.transpose(0, 3, 1, 2))
    for layout in ("nchw", "nhwc"):
        shape = budget.data_shape(str(path), layout).input_shape
        assert shape == npz.load(path, layout=layout).x_train.shape[1:]
    with pytest.raises(DataError, match=r"set --layout to"):
        budget.data_shape(str(path))


def test_a_layout_for_features_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"data\.layout is 'nhwc', and x_train has shape \(4, 2\)"):
        npz.load(written(tmp_path), layout="nhwc")


UINT8 = images(4, 5, 5)
MIXED = {
    "training in float32": (UINT8.astype(np.float32), UINT8[:2]),
    "test in float32": (UINT8, UINT8[:2].astype(np.float32)),
    "test in [0, 1]": (UINT8, UINT8[:2] / 255),
    "int64 and uint8": (UINT8.astype(np.int64), UINT8[:2]),
    "both in float, but in other units": (UINT8.astype(float), UINT8[:2] / 255),
    "integers, and floats in [0, 1]": (UINT8.astype(np.int16), UINT8[:2] / 255),
}


@pytest.mark.parametrize("parts", MIXED)
def test_parts_in_different_units_are_asked_about(tmp_path, parts):
    train, test = MIXED[parts]
    path = written(tmp_path, x_train=train, x_test=test)
    with pytest.raises(DataError, match=r"x_train has type .* set data\.scale to the number") as e:
        npz.load(path)
    assert len(str(e.value)) < 500
    data = npz.load(path, scale=255)
    np.testing.assert_allclose(data.x_train[:, 0], train / 255, rtol=1e-6)
    np.testing.assert_allclose(data.x_test[:, 0], test / 255, rtol=1e-6)


def test_one_scale_is_used_for_both_parts(tmp_path):
    path = written(tmp_path, x_train=UINT8, x_test=UINT8[:2])
    np.testing.assert_array_equal(npz.load(path).x_train, npz.load(path, scale=255.0).x_train)
    assert npz.load(path, scale=1).x_train.max() == UINT8.max()
    features = written(tmp_path, x_train=UINT8[0, :4], x_test=UINT8[1, :2])
    assert npz.load(features, scale=2).x_train.max() == UINT8[0, :4].max() / 2


def test_mixed_units_train_as_if_both_parts_were_bytes(tmp_path):
    """The same images, in float and in bytes: with data.scale the members get the same inputs."""
    target = {"y_train": np.arange(4) % 2, "y_test": np.arange(2)}
    recipes = []
    for name, train in (("mixed", UINT8.astype(np.float32)), ("bytes", UINT8)):
        (tmp_path / name).mkdir()
        file = written(tmp_path / name, x_train=train, x_test=UINT8[:2], **target)
        table = {"name": str(file)} | ({"scale": 255} if name == "mixed" else {})
        members = {"arch": "mlp", "count": 2}
        recipes.append(from_table({"data": table, "members": members}))
    mixed, in_bytes = (splits.load(recipe, torch.device("cpu")) for recipe in recipes)
    for split in ("train", "test"):
        assert torch.equal(mixed.part(split).x, in_bytes.part(split).x)


TRAIN, TEST = np.array([0, 2, 1, 2]), np.array([1, 0])
NAMES = np.array(["b", "a", "ü"])
FORMS = {
    "one-hot integers": (lambda y: np.eye(3, dtype=int)[y], "012", wording.one_hot()),
    "one-hot floats": (lambda y: np.eye(3, dtype=np.float32)[y], "012", wording.one_hot()),
    "one-hot booleans": (lambda y: np.eye(3, dtype=bool)[y], "012", wording.one_hot()),
    "floats": (lambda y: y.astype(np.float32), "012", wording.whole_floats()),
    "a column of floats": (lambda y: y[:, None] * 1.0, "012", wording.whole_floats()),
    "from one": (lambda y: y + 1, "123", wording.from_one(3)),
    "bytes": (lambda y: (y + 1).astype(np.uint8), "123", wording.from_one(3)),
    "words": (lambda y: np.array(["a", "b", "ü"])[y], "abü", wording.words("abü")),
    "bytes of words": (lambda y: np.array([b"a", b"b", b"c"])[y], "abc", wording.words("abc")),
}


@pytest.mark.parametrize("form", FORMS)
def test_labels_with_one_meaning_are_read_and_the_conversion_is_noted(tmp_path, form):
    convert, names, note = FORMS[form]
    data = npz.load(written(tmp_path, y_train=convert(TRAIN), y_test=convert(TEST)))
    assert data.y_train.dtype == np.int64
    assert data.y_train.tolist() == TRAIN.tolist()
    assert data.y_test.tolist() == TEST.tolist()
    assert data.classes == tuple(names)
    assert data.notes == (note,)


def test_booleans_are_two_classes(tmp_path):
    y = np.array([True, False, True, True])
    data = npz.load(written(tmp_path, y_train=y, y_test=y[:2]))
    assert data.y_train.tolist() == [1, 0, 1, 1]
    assert data.classes == ("False", "True")
    assert data.notes == (wording.truth_values(),)


def test_words_are_in_the_order_of_the_classes_of_the_file(tmp_path):
    names = np.array(["ü", "a", "b", "unused"])
    labels = {"y_train": NAMES[TRAIN], "y_test": NAMES[TEST]}
    data = npz.load(written(tmp_path, **labels, classes=names))
    assert [data.classes[k] for k in data.y_train] == NAMES[TRAIN].tolist()
    assert data.classes == tuple(names)


def test_labels_from_one_with_names_are_shifted_only_if_they_must_be(tmp_path):
    shifted = npz.load(written(tmp_path, y_train=TRAIN + 1, y_test=TEST + 1, classes=NAMES))
    assert shifted.y_train.tolist() == TRAIN.tolist()
    names = np.array(["none", *NAMES])  # class 0 does not occur
    kept = npz.load(written(tmp_path, y_train=TRAIN + 1, y_test=TEST + 1, classes=names))
    assert kept.y_train.tolist() == (TRAIN + 1).tolist()
    assert kept.notes == ()


def test_indices_are_read_without_a_note(tmp_path):
    assert npz.load(written(tmp_path)).notes == ()


def test_arrays_may_have_other_names(tmp_path):
    arrays = dict(np.load(written(tmp_path)))
    other = tmp_path / "other.npz"
    np.savez(other, a=arrays["x_train"], b=arrays["y_train"], c=arrays["x_test"], d=[0, 1])
    data = npz.load(other, keys=("a", "b", "c", "d"))
    np.testing.assert_array_equal(data.x_train, arrays["x_train"])
    assert data.y_test.tolist() == [0, 1]
    with pytest.raises(DataError, match=r"x_train, .* but has a, b, c, d; data\.keys gives other"):
        npz.load(other)


def test_arrays_larger_than_memory_are_refused_by_their_header(tmp_path):
    """A small archive that declares an array of 4 TB."""
    path = tmp_path / "huge.npz"
    header = io.BytesIO()
    shape = {"descr": "<f4", "fortran_order": False, "shape": (10**6, 10**6)}
    np.lib.format.write_array_header_1_0(header, shape)
    with zipfile.ZipFile(path, "w") as archive:
        for key in ("x_train", "y_train", "x_test", "y_test"):
            archive.writestr(f"{key}.npy", header.getvalue())
    with pytest.raises(DataError, match=r"its arrays take 32000\.0 GB, but only .* are free") as e:
        npz.load(path)
    assert str(e.value).startswith(str(path))


@pytest.mark.parametrize(
    ("value", "divisor", "expected"),
    [(1e-30, 1e-50, 1e20), (0.0, 1e-300, 0.0), (200.0, 255.0, 200 / 255)],
)
def test_a_divisor_beyond_float32_divides_all_the_same(value, divisor, expected):
    inputs = np.full((2, 3), value, np.float32)
    npz._divide((inputs,), divisor)
    assert inputs == pytest.approx(expected, rel=1e-6)


def test_a_divisor_that_makes_inputs_too_large_is_refused():
    with pytest.raises(DataError, match=r"exceed float32; increase data.scale"):
        npz._divide((np.ones((2, 3), np.float32),), 1e-300)
