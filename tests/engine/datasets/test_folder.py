import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from jtdiag.engine import wording
from jtdiag.engine.datasets import folder, picture
from jtdiag.errors import DataError

SIZE = (5, 4)
"""Width and height."""


def save(path, value, mode="L", size=SIZE):
    """Write an image of one grey value; in RGB, red alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, (value, 0, 0) if mode == "RGB" else value).save(path)


@pytest.fixture
def root(tmp_path):
    """Two cats and a dog to train on, one of each to test, all grey."""
    save(tmp_path / "train" / "dog" / "a.png", 30)
    save(tmp_path / "train" / "cat" / "b.png", 20)
    save(tmp_path / "train" / "cat" / "a.PNG", 10)
    save(tmp_path / "test" / "cat" / "a.png", 40)
    save(tmp_path / "test" / "dog" / "a.png", 255)
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
    save(root / "test" / "dog" / "a.png", 200, "RGB")
    data = folder.load(root)
    assert firsts(data.x_train) == [[10] * 3, [20] * 3, [30] * 3]
    assert firsts(data.x_test) == [[40] * 3, [200, 0, 0]]


def test_jpeg_images_are_read(root):
    save(root / "train" / "dog" / "c.jpg", 128)
    save(root / "train" / "dog" / "d.jpeg", 64)
    assert firsts(folder.load(root).x_train) == [[10], [20], [30], [128], [64]]


def test_black_and_white_images_are_grey(root):
    save(root / "train" / "dog" / "a.png", 1, "1")
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
        lambda root: save(root / "test" / "ant" / "a.png", 1),
        r"class 'ant' has a folder in test but none in train; .* remove test/ant",
    ),
    "class without training image": (
        lambda root: (root / "train" / "dog" / "a.png").unlink(),
        r"train/dog contains no \.png, \.jpg, \.jpeg, .*\.webp; ",
    ),
    "no test image": (
        lambda root: [(root / "test" / name / "a.png").unlink() for name in ("cat", "dog")],
        r"test contains no \.png, \.jpg, .* in any class; ",
    ),
    "another size": (
        lambda root: save(root / "test" / "dog" / "a.png", 1, size=(4, 5)),
        r"test/dog/a\.png has 4x5 pixels and the first image 5x4; ",
    ),
    "no image at all": (
        lambda root: (root / "train" / "dog" / "a.png").write_text("no image"),
        r"a\.png in dog cannot be read as an image",
    ),
    "a pipe": (
        lambda root: os.mkfifo(root / "train" / "dog" / "pipe.png"),
        r"pipe\.png in dog is not a regular file; remove it\.",
    ),
    "an image of floats": (
        lambda root: Image.new("F", SIZE).save(root / "train" / "dog" / "f.tif"),
        r"f\.tif in dog has pixels of floating point",
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


OTHER_MODES = {
    "palette": ("P", "png", [10, 20, 30]),
    "CMYK": ("CMYK", "jpg", [10, 20, 30]),
    "transparency": ("RGBA", "png", [10, 20, 30]),
}


@pytest.mark.parametrize("kind", OTHER_MODES)
def test_images_in_other_modes_are_converted_with_a_note(root, kind):
    mode, suffix, expected = OTHER_MODES[kind]
    image = Image.new("RGB", SIZE, tuple(expected))
    image = image.quantize() if mode == "P" else image.convert(mode)
    image.save(root / "train" / "dog" / f"z.{suffix}", quality=100)
    data = folder.load(root)
    np.testing.assert_allclose(firsts(data.x_train)[3], expected, atol=2)
    assert wording.converted(1, kind) in data.notes


@pytest.mark.parametrize(("mode", "color"), [("RGBA", (10, 20, 30, 0)), ("LA", (10, 0))])
def test_what_is_transparent_is_white(root, mode, color):
    Image.new(mode, SIZE, color).save(root / "train" / "dog" / "z.png")
    data = folder.load(root)
    assert set(firsts(data.x_train)[3]) == {255}
    assert wording.converted(1, "transparency") in data.notes


def test_half_transparent_pixels_are_mixed_with_white(root):
    Image.new("RGBA", SIZE, (100, 0, 200, 51)).save(root / "train" / "dog" / "z.png")
    expected = [round(0.2 * value + 0.8 * 255) for value in (100, 0, 200)]
    assert firsts(folder.load(root).x_train)[3] == expected


def test_images_of_16_bits_keep_them(root):
    values = np.arange(20, dtype=np.uint16).reshape(4, 5) * 3_000
    Image.fromarray(values).save(root / "train" / "dog" / "z.png")
    data = folder.load(root)
    np.testing.assert_allclose(data.x_train[3, 0], values / 65_535, rtol=1e-6)
    assert data.notes == (wording.converted(1, "16 bits"),)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(tmp_path, orientation):
    """Rotated by 90 degrees in the file, a portrait of 4x5 pixels is a landscape of 5x4."""
    upright = np.random.default_rng(0).integers(0, 256, (4, 5), np.uint8)
    inverse = {  # from the meaning of the tag: where row 0 and column 0 of the file are shown
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }
    image = Image.fromarray(np.ascontiguousarray(inverse[orientation]))
    exif = image.getexif()
    exif[0x0112] = orientation
    path = tmp_path / "a.png"
    image.save(path, exif=exif)
    assert picture.header(path).size == SIZE
    np.testing.assert_array_equal(picture.pixels(path, gray=True)[0], upright.astype("f4") / 255)


def test_images_of_other_sizes_are_resized_if_asked(root):
    save(root / "test" / "dog" / "a.png", 100, size=(40, 30))
    data = folder.load(root, resize=(2, 3))
    assert data.x_train.shape == (3, 1, 2, 3)
    assert firsts(data.x_test) == [[40], [100]]


@pytest.mark.parametrize("suffix", ["bmp", "tif", "tiff", "webp"])
def test_other_kinds_of_files_are_read(root, suffix):
    Image.new("RGB", SIZE, (100, 100, 100)).save(root / "train" / "dog" / f"z.{suffix}")
    np.testing.assert_allclose(firsts(folder.load(root).x_train)[3], 100, atol=1)


def test_what_is_left_out_is_counted_and_named(root):
    (root / "train" / "cat" / "notes.txt").write_text("no image")
    (root / "train" / "cat" / "nested").mkdir()
    (root / "test" / "list.csv").write_text("no image")
    assert folder.load(root).notes == (wording.left_out(3, "train/cat/nested"),)


def png(width, height):
    """Return a small PNG file that declares a size."""

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def damaged(kind):
    data = io.BytesIO()
    Image.new("RGB", SIZE).save(data, "tiff")
    return data.getvalue()[:10] + b"\xff" * 60 if kind == "tif" else bytes(range(256)) * 9


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bomb.png", png(60_000, 60_000)),
        ("large.png", png(10_000, 10_000)),
        ("random.png", damaged("random")),
        ("random.webp", damaged("random")),
        ("damaged.tif", damaged("tif")),
        ("empty.jpg", b""),
        ("method.png", png(5, 4)[:26] + b"\x07" + png(5, 4)[27:]),
    ],
)
def test_bombs_and_random_bytes_are_refused_by_the_name_of_the_file(root, name, content):
    (root / "train" / "dog" / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name} in dog cannot be read as an image") as caught:
        folder.load(root)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500
