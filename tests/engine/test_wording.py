from jtdiag.engine import wording


def test_what_was_converted_or_left_out_of_a_folder_is_counted():
    assert wording.converted(1, "palette") == "1 image converted to RGB (palette)"
    assert wording.converted(2, "CMYK") == "2 images converted to RGB (CMYK)"
    assert wording.converted(2, "16 bits") == "2 images with 16 bits divided by 65,535"
    assert wording.converted(2, "transparency") == "2 images with transparency put on white"
    assert wording.converted(3, "grayscale") == "3 images converted to RGB (grayscale)"
    assert wording.converted(2, "colors of 16 bits") == (
        "2 images with colors of 16 bits, of which 8 are kept"
    )
    assert wording.converted(1, "frames") == (
        "1 image with several frames, of which the first is read"
    )
    assert wording.converted(1, "orientation") == (
        "1 image turned upright by the orientation in the file"
    )
    assert wording.left_out(1, "train/a.txt") == "1 file or folder left out, such as train/a.txt"
    assert wording.left_out(3, "a") == "3 files or folders left out, such as a"


def test_arrays_that_are_not_used_are_named():
    assert wording.other_arrays(["x_val"]) == "1 array not used: x_val"
    assert wording.other_arrays(["a", "b"]) == "2 arrays not used: a, b"
    assert len(wording.other_arrays(["a" * 500])) < 120


def test_different_units_of_the_parts_are_stated_with_what_was_compared():
    assert wording.different_units(8, 10, 10, 20, images=False) == (
        "in 8 of 10 features, x_test has a mean more than 10 standard deviations from that of "
        "x_train, or a spread more than 20 times larger or smaller; check that both parts are "
        "scaled alike"
    )
    assert wording.different_units(1, 3, 10, 20, images=True).startswith("in 1 of 3 channels, ")
