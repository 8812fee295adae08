"""Folders of images: formats, metadata, damaged and malicious files, and their names."""

import io
import os
import struct
import unicodedata
import zlib
from pathlib import Path

import numpy as np
from hostile_case import hostile, jtdiag
from hostile_data import RANDOM, is_refused_by_train, is_said_by_train, read, toml
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from jtdiag import Run, probe
from jtdiag.engine.datasets import folder
from jtdiag.printable import printable

KIND = "image folder"
SIZE = (6, 5)
"""Width and height."""
GRAY = RANDOM.integers(0, 256, (5, 6), np.uint8)
COLORS = RANDOM.integers(0, 256, (5, 6, 3), np.uint8)


def photos(*classes: str) -> Path:
    """Write a folder of one training and one test image for each class, and return it."""
    for part in ("train", "test"):
        for name in classes or ("cat", "dog"):
            save(Image.fromarray(GRAY), f"{part}/{name}/a.png")
    return Path("photos")


def save(image: Image.Image, name: str, **options: object) -> Path:
    """Save an image below the folder, and return its path."""
    path = Path("photos", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def put(content: bytes, name: str) -> None:
    """Write a file below the folder."""
    Path("photos", name).write_bytes(content)


def last(*notes: str, resize: tuple[int, ...] = ()) -> NDArray[np.float64]:
    """Return the last training image (C, H, W), 0 to 255; all parts of notes must be stated."""
    data = folder.load(Path("photos"), resize=resize)
    for part in notes:
        assert any(part in note for note in data.notes), data.notes
    return data.x_train[-1].astype(np.float64) * 255


def is_image(expected: NDArray[np.generic], *notes: str, atol: float = 1e-4) -> None:
    """Check the last training image, given as (H, W) or (H, W, C), 0 to 255."""
    axes = np.atleast_3d(expected).transpose(2, 0, 1)
    np.testing.assert_allclose(last(*notes), axes, atol=atol)


def is_not_read(*parts: str, **data: object) -> None:
    """Check that training on the folder is refused in one line."""
    is_refused_by_train(*parts, name="photos", **data)


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a small grayscale PNG file that declares a size."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    content = ((b"IHDR", head), *chunks, (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in content
    )


@hostile(KIND, "EXIF orientation in JPEG and PNG files, 1 to 8", "read, and said")
def orientation(_: Path) -> None:
    turned = {  # where row 0 and column 0 of the file are shown, by the meaning of the tag
        2: GRAY[:, ::-1],
        3: GRAY[::-1, ::-1],
        4: GRAY[::-1],
        5: GRAY.T,
        6: np.rot90(GRAY),
        7: GRAY[::-1, ::-1].T,
        8: np.rot90(GRAY, -1),
    }
    photos()
    for tag, pixels in turned.items():
        exif = Image.Exif()
        exif[0x0112] = tag
        save(Image.fromarray(np.ascontiguousarray(pixels)), "train/dog/z.png", exif=exif)
        is_image(GRAY, "1 image turned upright")


@hostile(KIND, "EXIF orientations that do not exist, and damaged EXIF data", "read")
def damaged_exif(_: Path) -> None:
    photos()
    for tag in (0, 9, 60_000):
        exif = Image.Exif()
        exif[0x0112] = tag
        save(Image.fromarray(GRAY), "train/dog/z.png", exif=exif)
        is_image(GRAY)
    for exif in (b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0", b"garbage" * 9):
        save(Image.fromarray(GRAY), "train/dog/z.png", exif=exif)
        is_image(GRAY)


@hostile(KIND, "palettes, also with a transparent color", "read, and said")
def palette(_: Path) -> None:
    photos()
    indices = GRAY % 4
    table = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 8, 7]], np.uint8)
    image = Image.fromarray(indices, mode="P")
    image.putpalette(table.tobytes())
    save(image, "train/dog/z.png")
    is_image(table[indices], "1 image converted to RGB (palette)")
    save(image, "train/dog/z.png", transparency=3)
    table[3] = 255
    is_image(table[indices], "(palette)", "1 image with transparency put on white")


@hostile(KIND, "16 bits in grayscale, as PNG and as TIFF of both byte orders", "read, and said")
def deep(_: Path) -> None:
    photos()
    values = GRAY.astype(np.uint16) * 256 + 77
    for suffix in ("png", "tif"):
        path = save(Image.fromarray(values), f"train/dog/z.{suffix}")
        is_image(values / 257, "1 image with 16 bits divided by 65,535")
        path.unlink()
    image = Image.frombytes("I;16B", SIZE, values.astype(">u2").tobytes())
    save(image, "train/dog/z.tif")
    is_image(values / 257, "with 16 bits")


@hostile(KIND, "16 bits in grayscale beside images of colors, and resized", "read, and said")
def deep_and_colors(_: Path) -> None:
    photos()
    save(Image.fromarray(COLORS), "train/cat/z.png")
    save(Image.fromarray(GRAY.astype(np.uint16) * 257), "train/dog/z.png")
    is_image(np.repeat(GRAY[..., None], 3, -1), "with 16 bits", "converted to RGB (grayscale)")
    halves = GRAY[:4].reshape(2, 2, 3, 2).mean((1, 3))
    save(Image.fromarray(GRAY[:4].astype(np.uint16) * 257), "train/dog/z.png")
    assert last(resize=(4, 6)).shape == (3, 4, 6)
    assert np.abs(last(resize=(2, 3))[0] - halves).max() < 60


@hostile(KIND, "integers of 32 bits beyond 65,535, and floating point", "refused")
def deeper(_: Path) -> None:
    photos()
    path = save(Image.fromarray(GRAY.astype(np.int32) * 10_000_000), "train/dog/z.tif")
    is_not_read(r"z\.tif in dog has pixels outside 0\.\.65,535")
    save(Image.fromarray(GRAY.astype(np.float32)), path.relative_to("photos").as_posix())
    is_not_read(r"z\.tif in dog has pixels of floating point")


@hostile(KIND, "colors of 16 bits, of which 8 are kept", "read, and said")
def deep_colors(_: Path) -> None:
    photos()
    rows = (COLORS.astype(">u2") * 257).reshape(5, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", *SIZE, 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    put(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d))
            for k, d in chunks
        ),
        "train/dog/z.png",
    )
    is_image(COLORS, "1 image with colors of 16 bits, of which 8 are kept")


@hostile(KIND, "CMYK, as TIFF and as JPEG", "read, and said")
def cmyk(_: Path) -> None:
    photos()
    rgb = (200, 90, 30)
    ink = np.broadcast_to(np.array([*(255 - np.array(rgb)), 0], np.uint8), (5, 6, 4))
    for suffix in ("tif", "jpg"):
        path = save(Image.fromarray(ink.copy(), mode="CMYK"), f"train/dog/z.{suffix}", quality=100)
        is_image(np.broadcast_to(rgb, (5, 6, 3)), "1 image converted to RGB (CMYK)", atol=3)
        path.unlink()


@hostile(KIND, "an alpha channel in colors and in grayscale, a transparent gray", "read, and said")
def alpha(_: Path) -> None:
    photos()
    opacity = RANDOM.integers(0, 256, (5, 6, 1), np.uint8)
    share = opacity / 255
    save(Image.fromarray(np.dstack([COLORS, opacity])), "train/dog/z.png")
    is_image(COLORS * share + 255 * (1 - share), "transparency put on white", atol=1)
    save(Image.fromarray(np.dstack([GRAY, opacity]), mode="LA"), "train/dog/z.png")
    expected = GRAY[..., None] * share + 255 * (1 - share)
    is_image(expected, "transparency put on white", atol=1)
    save(Image.fromarray(GRAY), "train/dog/z.png", transparency=int(GRAY[2, 3]))
    is_image(np.where(GRAY[2, 3] == GRAY, 255, GRAY), "transparency put on white")


@hostile(KIND, "black and white images of 1 bit", "read")
def one_bit(_: Path) -> None:
    photos()
    save(Image.fromarray(GRAY > 100), "train/dog/z.png")
    is_image((GRAY > 100) * 255)


@hostile(KIND, "YCbCr and Lab colors in TIFF files", "read, and said")
def other_colors(_: Path) -> None:
    photos()
    flat = Image.new("RGB", SIZE, (120, 200, 40))
    save(flat.convert("YCbCr"), "train/dog/z.tif")
    is_image(np.broadcast_to((120, 200, 40), (5, 6, 3)), "converted to RGB (YCbCr)", atol=3)


@hostile(KIND, "animated PNG and WebP files, and TIFF files of several pages", "read, and said")
def animated(_: Path) -> None:
    photos()
    for suffix in ("png", "webp", "tif"):
        frames = [Image.fromarray(255 - GRAY)]
        lossless = {"lossless": True} if suffix == "webp" else {}
        path = save(
            Image.fromarray(GRAY),
            f"train/dog/z.{suffix}",
            save_all=True,
            append_images=frames,
            **lossless,
        )
        first = np.repeat(GRAY[..., None], 3, -1) if suffix == "webp" else GRAY
        is_image(first, "1 image with several frames, of which the first is read")
        path.unlink()


@hostile(KIND, "animated GIF files, which are left out", "read, and said")
def gif(_: Path) -> None:
    photos()
    save(Image.fromarray(GRAY), "train/dog/b.gif", save_all=True)
    assert len(folder.load(Path("photos")).y_train) == 2
    is_said_by_train("1 file or folder left out, such as train/dog/b.gif", name="photos")


@hostile(KIND, "a class that contains only files of other kinds", "refused")
def other_kinds_only(_: Path) -> None:
    photos()
    Path("photos/train/dog/a.png").rename("photos/train/dog/a.heic")
    is_not_read(r"train/dog contains no \.png, \.jpg, .*\.webp; put the images")


@hostile(KIND, "empty files, text and random bytes under the names of images", "refused")
def no_images(_: Path) -> None:
    photos()
    for suffix in ("png", "JPG", "tif", "webp", "bmp"):
        for content in (b"", b"no image\n", np.random.default_rng(0).bytes(999)):
            put(content, f"train/dog/z.{suffix}")
            is_not_read(rf"z\.{suffix} in dog cannot be read as an image")
        Path("photos", f"train/dog/z.{suffix}").unlink()


@hostile(KIND, "files cut off at the middle, of every kind", "refused")
def truncated(_: Path) -> None:
    photos()
    noise = Image.fromarray(RANDOM.integers(0, 256, (60, 60, 3), np.uint8))
    for suffix in ("png", "jpg", "tif", "webp", "bmp"):
        path = save(noise, f"train/dog/z.{suffix}")
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        is_not_read(rf"z\.{suffix} in dog cannot be read as an image", resize=[5, 6])
        path.unlink()


@hostile(KIND, "images that declare 60,000 x 60,000 and 2e9 x 2e9 pixels", "refused")
def bombs(_: Path) -> None:
    photos()
    for side in (10_000, 60_000, 2_000_000_000):
        put(png(side, side), "train/dog/z.png")
        is_not_read(r"z\.png in dog cannot be read as an image")


@hostile(KIND, "a text of 100 MB, compressed, in the metadata of an image", "refused")
def metadata_bomb(_: Path) -> None:
    photos()
    text = b"comment\0\0" + zlib.compress(bytes(10**8), 9)
    put(png(*SIZE, (b"zTXt", text)), "train/dog/z.png")
    is_not_read(r"z\.png in dog cannot be read as an image")


@hostile(KIND, "an image that declares a negative or no size", "refused")
def no_size(_: Path) -> None:
    photos()
    for width, height in ((0, 5), (2**32 - 1, 5)):
        put(png(width, height), "train/dog/z.png")
        is_not_read(r"z\.png in dog cannot be read as an image|has 0x5 pixels")


@hostile(KIND, "a pipe, and a symbolic link that leads nowhere or to itself", "refused")
def pipes(_: Path) -> None:
    photos()
    os.mkfifo("photos/train/dog/z.png")
    is_not_read(r"z\.png in dog is not a regular file; remove it")
    for target in ("nowhere", "z.png"):
        Path("photos/train/dog/z.png").unlink()
        Path("photos/train/dog/z.png").symlink_to(target)
        is_not_read(r"z\.png in dog is not a regular file; remove it")


@hostile(KIND, "symbolic links to images and to folders of classes", "read")
def links(_: Path) -> None:
    photos()
    Path("photos/train/cat").rename("elsewhere")
    Path("photos/train/cat").symlink_to("../../elsewhere")
    Path("photos/train/dog/z.png").symlink_to("../../../elsewhere/a.png")
    is_image(GRAY)


@hostile(KIND, "folders that are symbolic links to their parents", "read, and said")
def loops(_: Path) -> None:
    photos()
    Path("photos/train/dog/loop").symlink_to("..")
    is_said_by_train("1 file or folder left out, such as train/dog/loop", name="photos")


@hostile(KIND, "hidden files: .DS_Store, ._a.png, .ipynb_checkpoints", "read")
def hidden(_: Path) -> None:
    photos()
    for name in (".DS_Store", "train/.DS_Store", "train/dog/._a.png", "test/dog/.nomedia"):
        put(b"\0", name)
    Path("photos/train/.ipynb_checkpoints").mkdir()
    data = folder.load(Path("photos"))
    assert (len(data.y_train), data.notes) == (2, ())


@hostile(KIND, "Thumbs.db, lists of files, nested folders, and a part called val", "read, and said")
def left_out(_: Path) -> None:
    photos()
    for name in ("train/dog/Thumbs.db", "train/labels.csv", "README.md"):
        put(b"x", name)
    save(Image.fromarray(GRAY), "train/dog/more/a.png")
    save(Image.fromarray(GRAY), "val/dog/a.png")
    is_said_by_train("5 files or folders left out, such as train/labels.csv", name="photos")


@hostile(KIND, "other extensions, in capitals: .JPG .Jpeg .TIF .BMP .WEBP", "read")
def capitals(_: Path) -> None:
    photos()
    for suffix in ("JPG", "Jpeg", "TIF", "BMP", "WEBP"):
        path = save(Image.new("RGB", SIZE, (90, 90, 90)), f"train/dog/z.{suffix}")
        is_image(np.full((5, 6, 3), 90), atol=1)
        path.unlink()


@hostile(KIND, "names with spaces, accents, emoji, quotes and mathematics", "trained")
def names(_: Path) -> None:
    classes = ("a cat", "chât noir", "🐶", "'\"", "$x_1$", "_hidden", "-rf", "a|b", "{}")
    photos(*classes)
    toml(name="photos")
    assert jtdiag("train", "recipe.toml", "--out", "run").exit_code == 0
    assert Run("run").output_names == tuple(sorted(classes))


@hostile(KIND, "names with escape sequences, line feeds, and bytes that are no UTF-8", "trained")
def harmful_names(_: Path) -> None:
    classes = ("\x1b[2Jcat", "do\ng", os.fsdecode(b"\xff\xfe"), "\u202etac")
    photos(*classes)
    toml(name="photos")
    ran = jtdiag("train", "recipe.toml", "--out", "run")
    assert ran.exit_code == 0
    assert "\x1b" not in ran.output
    assert Run("run").output_names == tuple(sorted(classes))
    by_class = probe(Run("run"), "diversity")["diversity_by_class"]
    assert by_class["output"].values.tolist() == [printable(name) for name in sorted(classes)]


@hostile(KIND, "a damaged image in a folder with an escape sequence in its name", "refused")
def damaged_with_harmful_name(_: Path) -> None:
    photos("\x1b[2Jcat", "dog")
    put(b"", os.fsdecode(b"train/\x1b[2Jcat/\xff\n.png"))
    is_not_read(r"in .*cat cannot be read as an image")


@hostile(KIND, "an accent that is composed in training and decomposed in the test", "refused")
def normal_forms(_: Path) -> None:
    photos("dog", "é")
    Path("photos/test/é").rename(Path("photos/test", unicodedata.normalize("NFD", "é")))
    is_not_read(r"class 'é|class 'e.* has a folder in .* but none in ")


@hostile(KIND, "a class folder that is empty, in training and in both parts", "refused")
def empty_class(_: Path) -> None:
    photos()
    Path("photos/train/dog/a.png").unlink()
    is_not_read(r"train/dog contains no \.png")


@hostile(KIND, "a class folder that is empty in the test part", "read")
def not_tested(_: Path) -> None:
    photos()
    Path("photos/test/dog/a.png").unlink()
    assert folder.load(Path("photos")).y_test.tolist() == [0]


@hostile(KIND, "one class, no class, and images without folders of classes", "refused")
def classes(_: Path) -> None:
    photos("cat")
    is_not_read(r"there is only one class")
    for part in ("train", "test"):
        Path("photos", part, "cat/a.png").rename(Path("photos", part, "a.png"))
        Path("photos", part, "cat").rmdir()
    is_not_read(r"there is no folder train with a folder for each class in it")


@hostile(
    KIND, "one folder for each class without train and test, and val in place of test", "refused"
)
def other_trees(_: Path) -> None:
    photos()
    Path("photos/test").rename("photos/val")
    is_not_read(r"there is no folder test with a folder for each class in it")
    is_refused_by_train(r"there is no folder train with a folder", name="photos/train")


@hostile(KIND, "other classes in train and test, and other capitals", "refused")
def classes_differ(_: Path) -> None:
    photos()
    Path("photos/test/dog").rename("photos/test/Dog")
    is_not_read(r"class 'Dog' has a folder in test but none in train; .*create train/Dog or remove")


@hostile(KIND, "images of other sizes, without data.resize", "refused")
def sizes(_: Path) -> None:
    photos()
    save(Image.fromarray(GRAY.T.copy()), "test/dog/z.png")
    is_not_read(r"test/dog/z\.png has 5x6 pixels and the first image 6x5; set data\.resize")


@hostile(KIND, "images of other sizes, with data.resize", "read")
def resized(_: Path) -> None:
    photos()
    save(Image.fromarray(np.kron(COLORS, np.ones((3, 3, 1), np.uint8))), "train/dog/z.png")
    exact = last(resize=(5, 6))
    assert exact.shape == (3, 5, 6)
    box = np.asarray(
        Image.fromarray(np.kron(COLORS, np.ones((3, 3, 1), np.uint8))).resize(
            SIZE, Image.Resampling.BILINEAR
        )
    )
    np.testing.assert_allclose(exact, box.transpose(2, 0, 1), atol=1e-4)
    loaded = read(name="photos", resize=[2, 3])
    assert loaded.input_shape == (3, 2, 3)


@hostile(KIND, "data.resize of zero, one, three or huge sides", "refused")
def resize_to(_: Path) -> None:
    photos()
    for sides in ([0, 5], [5], [5, 5, 5], [60_000, 60_000], [-1, 5]):
        is_not_read(r"data\.resize", resize=sides)


@hostile(KIND, "images of 1x1 pixels", "read")
def single_pixels(_: Path) -> None:
    photos()
    for path in Path("photos").rglob("*.png"):
        Image.new("L", (1, 1), 100 if "dog" in str(path) else 50).save(path)
    loaded = read(name="photos")
    np.testing.assert_allclose(loaded.part("train").x.flatten(), [-1, 1], rtol=1e-6)


@hostile(KIND, "options of files, such as data.layout", "refused")
def options(_: Path) -> None:
    photos()
    is_not_read(r"data\.layout is set, which data set 'folder' does not use", layout="nhwc")
    is_not_read(r"data\.keys is set, which data set 'folder' does not use", keys=list("abcd"))


@hostile(KIND, "a color profile and a comment with terminal escapes", "read")
def profiles(_: Path) -> None:
    photos()
    comment = PngImagePlugin.PngInfo()
    comment.add_text("Comment", "\x1b[2J" * 100)
    image = Image.fromarray(GRAY)
    save(image, "train/dog/z.png", icc_profile=b"no profile" * 20, pnginfo=comment)
    is_image(GRAY)


@hostile(KIND, "a file of one kind under the extension of another", "read")
def other_extension(_: Path) -> None:
    photos()
    content = io.BytesIO()
    Image.fromarray(GRAY).save(content, "png")
    put(content.getvalue(), "train/dog/z.jpg")
    is_image(GRAY)
