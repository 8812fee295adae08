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


def test_what_was_converted_or_left_out_of_a_folder_is_counted():
    assert wording.converted(1, "palette") == "1 image converted to RGB (palette)"
    assert wording.converted(2, "CMYK") == "2 images converted to RGB (CMYK)"
    assert wording.converted(2, "16 bits") == "2 images with 16 bits divided by 65,535"
    assert wording.converted(2, "transparency") == "2 images with transparency put on white"
    assert wording.converted(1, "orientation") == (
        "1 image turned upright by the orientation in the file"
    )
    assert wording.left_out(1, "train/a.txt") == "1 file or folder left out, such as train/a.txt"
    assert wording.left_out(3, "a") == "3 files or folders left out, such as a"
