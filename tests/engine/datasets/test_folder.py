import numpy as np
import pytest
from PIL import Image

from jtdiag.engine.datasets import folder
from jtdiag.errors import DataError

SIZE = (5, 4)
"""Width and height."""


def picture(path, value, mode="L", size=SIZE):
    """Write an image of one grey value; in RGB, red alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, (value, 0, 0) if mode == "RGB" else value).save(path)


@pytest.fixture
def root(tmp_path):
    """Two cats and a dog to train on, one of each to test, all grey."""
    picture(tmp_path / "train" / "dog" / "a.png", 30)
    picture(tmp_path / "train" / "cat" / "b.png", 20)
    picture(tmp_path / "train" / "cat" / "a.PNG", 10)
    picture(tmp_path / "test" / "cat" / "a.png", 40)
    picture(tmp_path / "test" / "dog" / "a.png", 255)
    return tmp_path


def firsts(x):
    """Top left pixel of each image, 0 to 255, by channel."""
    return np.rint(x[:, :, 0, 0] * 255).astype(int).tolist()


def test_images_come_by_class_and_name_and_lie_between_0_and_1(root):
    data = folder.load(root)
    assert data.classes == ("cat", "dog")
    assert data.x_train.shape == (3, 1, 4, 5)
    assert data.x_train.dtype == np.float32
    assert firsts(data.x_train) == [[10], [20], [30]]
    assert data.y_train.tolist() == [0, 0, 1]
    assert firsts(data.x_test) == [[40], [255]]
    assert data.y_test.tolist() == [0, 1]
    assert data.y_test.dtype == np.int64
    assert data.mean is data.sd is None


def test_each_pixel_keeps_its_place(root):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    Image.fromarray(pixels).save(root / "train" / "cat" / "b.png")
    got = folder.load(root).x_train[1]
    np.testing.assert_array_equal(got, pixels.transpose(2, 0, 1).astype(np.float32) / 255)


def test_grey_images_count_as_rgb_where_some_are_rgb(root):
    picture(root / "test" / "dog" / "a.png", 200, "RGB")
    data = folder.load(root)
    assert firsts(data.x_train) == [[10] * 3, [20] * 3, [30] * 3]
    assert firsts(data.x_test) == [[40] * 3, [200, 0, 0]]


def test_jpeg_images_are_read(root):
    picture(root / "train" / "dog" / "c.jpg", 128)
    picture(root / "train" / "dog" / "d.jpeg", 64)
    assert firsts(folder.load(root).x_train) == [[10], [20], [30], [128], [64]]


def test_black_and_white_images_are_grey(root):
    picture(root / "train" / "dog" / "a.png", 1, "1")
    assert firsts(folder.load(root).x_train)[2] == [255]


def test_hidden_files_and_files_of_other_kinds_are_passed_over(root):
    for name in ("train/.DS_Store", "train/cat/._a.png", "train/cat/notes.txt", "test/list.csv"):
        (root / name).write_text("no image")
    (root / "test" / ".cache").mkdir()
    assert len(folder.load(root).x_train) == 3


def test_a_class_may_have_no_image_in_the_test_part(root):
    (root / "test" / "dog" / "a.png").unlink()
    data = folder.load(root)
    assert data.y_test.tolist() == [0]
    assert data.classes == ("cat", "dog")


def without(root, *names):
    for name in names:
        (root / name).unlink()
        if not list((root / name).parent.iterdir()):
            (root / name).parent.rmdir()


def palette(root):
    Image.new("P", SIZE).save(root / "train" / "cat" / "b.png")


def half(root):
    path = root / "train" / "dog" / "a.png"
    path.write_bytes(path.read_bytes()[:50])


BAD = {
    "no train": (
        lambda root: (root / "train").rename(root / "training"),
        r"there is no folder train with a folder for each class",
    ),
    "no class in test": (
        lambda root: without(root, "test/cat/a.png", "test/dog/a.png"),
        r"there is no folder test with a folder for each class",
    ),
    "class without test folder": (
        lambda root: without(root, "test/dog/a.png"),
        r"class 'dog' has a folder in train but none in test; .* create test/dog",
    ),
    "class without train folder": (
        lambda root: picture(root / "test" / "ant" / "a.png", 1),
        r"class 'ant' has a folder in test but none in train; .* remove test/ant",
    ),
    "class without training image": (
        lambda root: (root / "train" / "dog" / "a.png").unlink(),
        r"train/dog contains no \.png, \.jpg, \.jpeg; ",
    ),
    "no test image": (
        lambda root: [(root / "test" / name / "a.png").unlink() for name in ("cat", "dog")],
        r"test contains no \.png, \.jpg, \.jpeg in any class; ",
    ),
    "another size": (
        lambda root: picture(root / "test" / "dog" / "a.png", 1, size=(4, 5)),
        r"test/dog/a\.png has 4x5 pixels and the first image 5x4; ",
    ),
    "transparency": (
        lambda root: Image.new("RGBA", SIZE).save(root / "train" / "cat" / "b.png"),
        r"train/cat/b\.png has mode RGBA; save it as RGB",
    ),
    "palette": (palette, r"train/cat/b\.png has mode P; "),
    "no image at all": (
        lambda root: (root / "train" / "dog" / "a.png").write_text("no image"),
        r"a\.png in dog cannot be read as an image",
    ),
    "half an image": (half, r"a\.png in dog cannot be read as an image"),
    "one class": (
        lambda root: without(root, "train/dog/a.png", "test/dog/a.png"),
        r"there is only one class",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_refused_in_one_line_that_names_the_folder(root, what):
    spoil, says = BAD[what]
    spoil(root)
    with pytest.raises(DataError, match=says) as caught:
        folder.load(root)
    message = str(caught.value)
    assert message.startswith(f"{root}: ")
    assert message.endswith(".")
    assert "\n" not in message
