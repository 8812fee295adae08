"""Labels of classes: forms with one meaning are read, others are refused."""

from pathlib import Path

import numpy as np
from hostile_case import hostile, jtdiag
from hostile_data import (
    LABELS,
    TEST,
    TRAIN,
    arrays,
    is_labeled,
    is_refused_by_train,
    is_said_by_train,
    read,
    toml,
    write,
)

from jtdiag import Run

KIND = "labels"
WORDS = np.array(["cat", "dog", "ünï côdé"])
NAMES = "cat dog bird"


@hostile(KIND, "names, in UTF-8 and as bytes", "read, and said")
def words(_: Path) -> None:
    write(arrays(y=WORDS[LABELS]))
    loaded = read()
    assert [loaded.classes[k] for k in loaded.part("train").y] == WORDS[LABELS[TRAIN]].tolist()
    is_said_by_train("labels are names, read as 3 classes in sorted order (cat, dog, ünï côdé)")
    write(arrays(y=np.char.encode(np.array(["b", "a", "c"]), "utf-8")[LABELS]))
    is_labeled(np.array([1, 0, 2])[LABELS], "a b c", "names")


@hostile(KIND, "names in both parts, but of other lengths and types", "read, and said")
def words_of_other_types(_: Path) -> None:
    y = np.array(["a", "bb", "cccc"])[LABELS]
    write(arrays(y=y, y_test=np.char.encode(y[TEST], "ascii")))
    is_labeled(LABELS, "a bb cccc", "names")


@hostile(KIND, "names with terminal escapes, line feeds and 10,000 characters", "read, and said")
def harmful_words(_: Path) -> None:
    write(arrays(y=np.array(["\x1b[2Ja", "b\nc", "d" * 10_000])[LABELS]))
    is_said_by_train("read as 3 classes")
    assert len(read().notes[0]) < 300


@hostile(KIND, "empty names, as of missing values", "refused")
def empty_words(_: Path) -> None:
    write(arrays(y=np.array(["a", "b", ""])[LABELS]))
    is_refused_by_train(r"y_train contains an empty name; ")


@hostile(KIND, "text whose bytes are no characters, in labels and in classes", "refused")
def no_characters(_: Path) -> None:
    for dtype in ("<u4", ">u4"):
        bad = np.full((60, 2), 0x7FFFFFFF, dtype).view(f"{dtype[0]}U2")[:, 0]
        write(arrays(y=bad))
        is_refused_by_train(r"y_train contains text with invalid characters; write the file")
        write(arrays(classes=bad[:3]))
        is_refused_by_train(r"classes contains text with invalid characters; write the file")


@hostile(KIND, "names for training, indices for the test", "refused")
def words_and_indices(_: Path) -> None:
    write(arrays(y=LABELS, y_train=WORDS[LABELS[TRAIN]]))
    is_refused_by_train(r"y_train has type <U\d; labels must be")


@hostile(KIND, "Python strings, as of a column of a table", "refused")
def objects(_: Path) -> None:
    write(arrays(y=WORDS.astype(object)[LABELS]))
    is_refused_by_train(r"y_train contains Python objects.*y_train\.astype\(str\)")


@hostile(KIND, "booleans", "read, and said")
def booleans(_: Path) -> None:
    write(arrays(y=LABELS == 1))
    is_labeled((LABELS == 1).astype(int), "False True", "booleans, read as False = 0")


@hostile(KIND, "one-hot rows of integers, booleans or floating point", "read, and said")
def one_hot(_: Path) -> None:
    for dtype in (np.int8, bool, np.float16, ">f8"):
        write(arrays(y=np.eye(3)[LABELS].astype(dtype)))
        is_labeled(LABELS, "0 1 2", "one-hot rows")


@hostile(KIND, "one-hot rows with class names and a class without examples", "read, and said")
def one_hot_with_names(_: Path) -> None:
    write(arrays(y=np.eye(4)[LABELS], classes=np.array([*NAMES.split(), "none"])))
    is_labeled(LABELS, f"{NAMES} none", "one-hot rows")


@hostile(KIND, "one-hot rows with a row of zeros, with two ones, and with probabilities", "refused")
def not_one_hot(_: Path) -> None:
    for row in ([0, 0, 0], [1, 1, 0], [0.5, 0.5, 0], [np.nan, 1, 0], [2, -1, 0]):
        y = np.eye(3)[LABELS]
        y[7] = row
        write(arrays(y=y))
        is_refused_by_train(r"y_train has shape \(40, 3\), but its rows are not one-hot")


@hostile(KIND, "one-hot rows for training, indices for the test", "refused")
def one_hot_and_indices(_: Path) -> None:
    write(arrays(y_train=np.eye(3)[LABELS[TRAIN]]))
    is_refused_by_train(r"y_train has shape \(40, 3\); labels must be")


@hostile(KIND, "one-hot rows of other widths in the two parts", "refused")
def one_hot_widths(_: Path) -> None:
    write(arrays(y=np.eye(3)[LABELS], y_test=np.eye(4)[LABELS[TEST]]))
    is_refused_by_train(r"y_train has 3 columns and y_test has 4 columns")


@hostile(KIND, "a column (N, 1) of integers, floats or names", "read")
def columns(_: Path) -> None:
    write(arrays(y=LABELS[:, None]))
    is_labeled(LABELS, "0 1 2")
    write(arrays(y=LABELS[:, None] * 1.0))
    is_labeled(LABELS, "0 1 2", "whole numbers in floating point")
    write(arrays(y=np.array(["a", "b", "c"])[LABELS][:, None]))
    is_labeled(LABELS, "a b c", "names")


@hostile(KIND, "a row (1, N), a cube (N, 1, 1), and a single label", "refused")
def other_shapes(_: Path) -> None:
    for y in (LABELS[None, TRAIN], LABELS[TRAIN, None, None], np.array(1)):
        write(arrays(y_train=y))
        is_refused_by_train(r"y_train has shape \(.*labels must be")


@hostile(KIND, "whole numbers in float32, float64 and negative zero", "read, and said")
def whole_floats(_: Path) -> None:
    for dtype in (np.float16, np.float32, np.float64):
        y = LABELS.astype(dtype)
        y[y == 0] = -0.0
        write(arrays(y=y))
        is_labeled(LABELS, "0 1 2", "whole numbers in floating point")


@hostile(KIND, "floating point that is not whole, NaN, or infinite", "refused")
def not_whole(_: Path) -> None:
    for value, shown in (
        (0.5, "0.5"),
        (np.nan, "NaN"),
        (np.inf, "inf"),
        (2.0**60, r"1\.15292e\+18"),
    ):
        y = LABELS.astype(float)
        y[3] = value
        write(arrays(y=y))
        is_refused_by_train(rf"y_train contains {shown}; .*family = 'gaussian'")


@hostile(KIND, "labels 1..K, also in bytes and in floating point", "read, and said")
def from_one(_: Path) -> None:
    for dtype in (np.int64, np.uint8):
        write(arrays(y=(LABELS + 1).astype(dtype)))
        is_labeled(LABELS, "1 2 3", "labels are 1..3, read as 0..2")
    write(arrays(y=LABELS + 1.0))
    is_labeled(LABELS, "1 2 3", "floating point", "labels are 1..3")


@hostile(KIND, "labels 1..K with K class names", "read, and said")
def from_one_with_names(_: Path) -> None:
    write(arrays(y=LABELS + 1, classes=np.array(NAMES.split())))
    is_labeled(LABELS, NAMES, "labels are 1..3")


@hostile(KIND, "labels 1..K for training and 0..K-1 for the test", "refused")
def another_first_label(_: Path) -> None:
    write(arrays(y_train=LABELS[TRAIN] + 1))
    is_refused_by_train(r"the 3 labels in y_train begin at 1, those in y_test at 0; number")
    write(arrays(y_test=LABELS[TEST] + 1))
    is_refused_by_train(r"the 3 labels in y_train begin at 0, those in y_test at 1; number")


@hostile(KIND, "numbers with gaps, such as 0, 2, 5, and 2..4", "refused")
def gaps(_: Path) -> None:
    write(arrays(y=np.array([0, 2, 5])[LABELS]))
    is_refused_by_train(r"the largest label is 5, but only 3 of these 6 classes occur; number")
    write(arrays(y=LABELS + 2))
    is_refused_by_train(r"the largest label is 4, but only 3 of these 5 classes occur; number")


@hostile(KIND, "numbers with gaps that are listed in classes, as np.unique writes it", "read")
def listed_numbers(_: Path) -> None:
    numbers = np.array([0, 2, 5])
    write(arrays(y=numbers[LABELS], classes=numbers))
    is_labeled(LABELS, "0 2 5")
    write(arrays(y=numbers[::-1][LABELS], classes=numbers))
    is_labeled(2 - LABELS, "0 2 5")


@hostile(KIND, "numbers in classes that may be labels or the places of labels", "refused")
def ambiguous_numbers(_: Path) -> None:
    write(arrays(classes=np.array([2, 0, 1])))
    is_refused_by_train(r"classes contains 2, 0, 1, and a label can be such a number or its place")


@hostile(KIND, "negative labels, -1 and 1, and -100 for examples without a label", "refused")
def negative(_: Path) -> None:
    for y, low in ((LABELS - 1, -1), (2 * (LABELS % 2) - 1, -1), (LABELS * -50, -100)):
        write(arrays(y=y))
        is_refused_by_train(rf"y_train contains the label {low}; labels must be")


@hostile(KIND, "-1 stored in bytes, which is 255", "refused")
def wrapped(_: Path) -> None:
    write(arrays(y=(LABELS - 1).astype(np.uint8)))
    is_refused_by_train(r"the largest label is 255, but only 3 of these 256 classes occur")


@hostile(KIND, "the largest int64 and the largest uint64", "refused")
def largest(_: Path) -> None:
    for dtype, value in ((np.int64, 2**63 - 1), (np.uint64, 2**64 - 1)):
        y = LABELS.astype(dtype)
        y[0] = value
        write(arrays(y=y))
        is_refused_by_train(rf"label is {2**63 - 1}, but|the label {2**64 - 1}; ")


@hostile(KIND, "a label above the names in classes", "refused")
def above_names(_: Path) -> None:
    write(arrays(classes=np.array(["a", "b"])))
    is_refused_by_train(r"y_train ranges from 0 to 2; with 2 classes, labels must be in 0\.\.1")


@hostile(KIND, "a name of 10,000 characters that is not in classes", "refused")
def unknown_name(_: Path) -> None:
    write(
        arrays(
            y=np.array(["a", "b", "\x1b[31m" + "c" * 10_000])[LABELS], classes=np.array(["a", "b"])
        )
    )
    is_refused_by_train(r"the labels include .*, which is not among the names in classes")


@hostile(KIND, "a name that is twice in classes, with labels that are names", "refused")
def repeated_name(_: Path) -> None:
    y = np.array(["a", "b", "c"])[LABELS]
    write(arrays(y=y, classes=np.array(["a", "b", "c", "a"])))
    is_refused_by_train(r"classes contains 'a' twice")


@hostile(KIND, "a name that is twice in classes, with labels that are indices", "read")
def repeated_name_of_indices(_: Path) -> None:
    write(arrays(classes=np.array(["crane", "dog", "crane"])))
    is_labeled(LABELS, "crane dog crane")


@hostile(KIND, "classes without axes, as a table, empty, or in floating point", "refused")
def classes_of_other_shapes(_: Path) -> None:
    for classes in (np.array("a"), np.array([["a"]]), np.array([], str), np.ones(3)):
        write(arrays(classes=classes))
        is_refused_by_train(r"classes has shape .*it must be a list of names")


@hostile(KIND, "a class in the test part that is missing in training", "read, and said")
def unseen(_: Path) -> None:
    y = LABELS.copy()
    y[TRAIN] %= 2
    write(arrays(y=y))
    is_labeled(y, "0 1 2", "1 class has test examples but no training examples (2)")
    is_said_by_train("1 class has test examples but no training examples (2)")


@hostile(KIND, "a class that occurs in training only", "read")
def not_tested(_: Path) -> None:
    y = LABELS.copy()
    y[TEST] %= 2
    write(arrays(y=y))
    is_labeled(y, "0 1 2")


@hostile(KIND, "a single class", "refused")
def single(_: Path) -> None:
    for y in (LABELS * 0, np.full(60, "a"), np.ones((60, 1))):
        write(arrays(y=y))
        is_refused_by_train(r"there is only one class|only 1 of these 2 classes")


@hostile(KIND, "fewer labels than examples, and more", "refused")
def other_counts(_: Path) -> None:
    write(arrays(y_train=LABELS[:39]))
    is_refused_by_train(r"x_train has 40 examples and y_train has 39 labels")
    write(arrays(y_test=LABELS[:21]))
    is_refused_by_train(r"x_test has 20 examples and y_test has 21 labels")


@hostile(KIND, "dates, complex numbers, and records", "refused")
def other_types(_: Path) -> None:
    for y in (LABELS.astype("M8[D]"), LABELS.astype(complex), LABELS.astype([("a", "i8")])):
        write(arrays(y=y))
        is_refused_by_train(r"y_train has type .*; labels must be")


@hostile(KIND, "class indices for a family of real numbers", "read")
def indices_as_numbers(_: Path) -> None:
    write(arrays())
    assert read("gaussian").part("train").y.shape == (40, 1)


@hostile(KIND, "names for a family of real numbers", "refused")
def words_as_numbers(_: Path) -> None:
    write(arrays(y=WORDS[LABELS]))
    is_refused_by_train(r"y_train has shape \(40,\) and type <U\d", family="gaussian")


@hostile(KIND, "names, through training, in the run", "trained")
def names_are_kept(_: Path) -> None:
    write(arrays(y=np.array(["b", "a", "c|$x_1$"])[LABELS]))
    toml()
    ran = jtdiag("train", "recipe.toml", "--out", "run")
    assert ran.exit_code == 0
    assert "Data: labels are names, read as 3 classes" in ran.output
    assert Run("run").output_names == ("a", "b", "c|$x_1$")
