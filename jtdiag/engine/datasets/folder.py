"""A folder of images by class: train/<class>/*.png and test/<class>/*.png, or .jpg.

Classes are the names of the folders, sorted; within a class the images come in the order of their
names. All images have one size. Where all are grey there is one channel; where some are RGB,
grey ones count as RGB with three equal channels. Hidden files, and files of other kinds, are
passed over.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jtdiag.engine.datasets.arrays import Arrays, located
from jtdiag.errors import DataError

TRAIN: Final = "train"
TEST: Final = "test"
_SUFFIXES: Final = (".png", ".jpg", ".jpeg")
_GREY: Final = ("1", "L")
_RGB: Final = ("RGB",)


def load(root: Path) -> Arrays:
    """Return the images below `root` as (N, C, H, W) in [0, 1], C being 1 or 3.

    Raises:
        DataError: Folders are missing or empty, the parts have different classes, or an image is
            unreadable, of another size than the first, or neither RGB nor grey.
    """
    with located(root):
        classes = _classes(root)
        train_files, y_train = _part(root, TRAIN, classes)
        test_files, y_test = _part(root, TEST, classes)
        mode = _common_mode(root, (*train_files, *test_files))
        return Arrays(
            x_train=_pixels(train_files, mode),
            y_train=y_train,
            x_test=_pixels(test_files, mode),
            y_test=y_test,
            classes=classes,
            mean=None,
            sd=None,
        )


def _part(root: Path, part: str, classes: Sequence[str]) -> tuple[list[Path], NDArray[np.int64]]:
    """Return the images of train or test, by class and name, and their labels.

    Raises:
        DataError: A class has no image for training, or the whole part has none.
    """
    files: list[Path] = []
    counts = []
    for name in classes:
        inside = _visible(root / part / name)
        images = [path for path in inside if path.suffix.lower() in _SUFFIXES]
        if part == TRAIN and not images:
            raise DataError(
                f"{part}/{name} holds no {', '.join(_SUFFIXES)}; "
                "put the images of the class there, or remove it from both parts."
            )
        files += images
        counts.append(len(images))
    if not files:
        raise DataError(f"{part} holds no {', '.join(_SUFFIXES)} in any class; put images there.")
    return files, np.repeat(np.arange(len(classes), dtype=np.int64), counts)


def _classes(root: Path) -> tuple[str, ...]:
    """Return the names of the classes, which train and test must share.

    Raises:
        DataError: A part is missing or has no class, or the parts have different ones.
    """
    train, test = (_class_folders(root, part) for part in (TRAIN, TEST))
    if train != test:
        odd = min(train ^ test)
        has, lacks = (TRAIN, TEST) if odd in train else (TEST, TRAIN)
        raise DataError(
            f"class '{odd}' has a folder in {has} and none in {lacks}; both parts must have the "
            f"same classes, so make {lacks}/{odd} or remove {has}/{odd}."
        )
    return tuple(sorted(train))


def _class_folders(root: Path, part: str) -> set[str]:
    """Return the names of the folders in train or test."""
    folder = root / part
    names = {p.name for p in _visible(folder) if p.is_dir()} if folder.is_dir() else set()
    if not names:
        raise DataError(
            f"there is no folder {part} with a folder for each class in it; put images in "
            f"{part}/<class>/, or name the folder that holds train and test."
        )
    return names


def _visible(folder: Path) -> list[Path]:
    """Return what a folder holds, sorted by name, less the hidden files that systems leave."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _common_mode(root: Path, files: Sequence[Path]) -> str:
    """Return "L" or "RGB", whichever can hold all images, having looked at every header.

    Raises:
        DataError: Sizes differ, or an image is neither RGB nor grey.
    """
    rgb = False
    first: tuple[int, int] | None = None
    for path in files:
        with _opened(path) as image:
            mode, size = image.mode, image.size
        shown = path.relative_to(root)
        if mode not in (*_GREY, *_RGB):
            raise DataError(f"{shown} is of mode {mode}; save it as RGB or as grey (L).")
        first = first or size
        if size != first:
            raise DataError(
                f"{shown} has {size[0]}x{size[1]} pixels and the first image {first[0]}x{first[1]};"
                " all must have one size, so crop or scale them."
            )
        rgb = rgb or mode in _RGB
    return "RGB" if rgb else "L"


def _pixels(files: Sequence[Path], mode: str) -> NDArray[np.float32]:
    """Return the images as (N, C, H, W) in [0, 1]; all of them have one size."""
    first = _decoded(files[0], mode)
    images = np.empty((len(files), *first.shape), np.float32)
    for place, path in enumerate(files):
        images[place] = _decoded(path, mode)
    images /= 255
    return images


def _decoded(path: Path, mode: str) -> NDArray[np.uint8]:
    """Return one image as (C, H, W)."""
    with _opened(path) as image:
        pixels = np.asarray(image.convert(mode))
    return np.atleast_3d(pixels).transpose(2, 0, 1)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image; what goes wrong with it inside is told in one line.

    Raises:
        DataError: The file is no image, or a damaged one.
    """
    try:
        with Image.open(path) as image:
            yield image
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises all three for damaged files
        raise DataError(
            f"{path.name} in {path.parent.name} cannot be read as an image ({error}); "
            "save it again or remove it."
        ) from error
