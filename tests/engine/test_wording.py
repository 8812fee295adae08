from jtdiag.engine import wording


def test_what_was_converted_is_stated():
    assert wording.one_hot() == "labels are one-hot rows, read as class indices"
    assert wording.words(["a", "b"]) == (
        "labels are names, read as 2 classes in sorted order (a, b)"
    )
    assert wording.words(["a", "b", "c", "d"]) == (
        "labels are names, read as 4 classes in sorted order (a, b, c, …)"
    )
    assert wording.truth_values() == "labels are booleans, read as False = 0 and True = 1"
    assert wording.whole_floats() == (
        "labels are whole numbers in floating point, read as integers"
    )
    assert wording.from_one(3) == (
        "labels are 1..3, read as 0..2; classes keep their numbers as names"
    )
