"""A folder of images by class: train/<class>/*.png and test/<class>/*.png, or .jpg.

Classes are the folder names in sorted order; images within a class are sorted by file name. All
images must have the same size. If all are grayscale there is one channel; if any is RGB, grayscale
images are converted to RGB. Hidden files and other file types are skipped.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jtdiag.engine.datasets.arrays import Arrays, located
from jtdiag.engine.datasets.contract import DataSource
from jtdiag.errors import DataError

TRAIN: Final = "train"
TEST: Final = "test"
_SUFFIXES: Final = (".png", ".jpg", ".jpeg")
_GRAY: Final = ("1", "L")
_RGB: Final = ("RGB",)


def load(root: Path) -> Arrays:
    """Return the images below `root` as (N, C, H, W) in [0, 1], with C = 1 or 3.

    Raises:
        DataError: if folders are missing or empty, the parts have different classes, or an image
            cannot be read, differs in size from the first, or is neither RGB nor grayscale.
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
        DataError: if a class has no training image, or the part has no images.
    """
    files: list[Path] = []
    counts = []
    for name in classes:
        files_of_class = _visible(root / part / name)
        images = [path for path in files_of_class if path.suffix.lower() in _SUFFIXES]
        if part == TRAIN and not images:
            raise DataError(
                f"{part}/{name} contains no {', '.join(_SUFFIXES)}; "
                "put the images of the class there, or remove it from both parts."
            )
        files += images
        counts.append(len(images))
    if not files:
        raise DataError(
            f"{part} contains no {', '.join(_SUFFIXES)} in any class; put images there."
        )
    return files, np.repeat(np.arange(len(classes), dtype=np.int64), counts)


def _classes(root: Path) -> tuple[str, ...]:
    """Return the names of the classes, which train and test must share.

    Raises:
        DataError: if a part is missing or has no classes, or the parts have different classes.
    """
    train, test = (_class_folders(root, part) for part in (TRAIN, TEST))
    if train != test:
        odd = min(train ^ test)
        has, lacks = (TRAIN, TEST) if odd in train else (TEST, TRAIN)
        raise DataError(
            f"class '{odd}' has a folder in {has} but none in {lacks}; both parts must have the "
            f"same classes, so create {lacks}/{odd} or remove {has}/{odd}."
        )
    return tuple(sorted(train))


def _class_folders(root: Path, part: str) -> set[str]:
    """Return the names of the folders in train or test."""
    folder = root / part
    names = {p.name for p in _visible(folder) if p.is_dir()} if folder.is_dir() else set()
    if not names:
        raise DataError(
            f"there is no folder {part} with a folder for each class in it; put images in "
            f"{part}/<class>/, or name the folder that contains train and test."
        )
    return names


def _visible(folder: Path) -> list[Path]:
    """Return the files and folders in a folder, sorted by name, without hidden ones."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _common_mode(root: Path, files: Sequence[Path]) -> str:
    """Return "L" if all images are grayscale, else "RGB"; only headers are read.

    Raises:
        DataError: if sizes differ, or an image is neither RGB nor grayscale.
    """
    rgb = False
    first: tuple[int, int] | None = None
    for path in files:
        with _opened(path) as image:
            mode, size = image.mode, image.size
        relative = path.relative_to(root)
        if mode not in (*_GRAY, *_RGB):
            raise DataError(f"{relative} has mode {mode}; save it as RGB or as grayscale (L).")
        first = first or size
        if size != first:
            raise DataError(
                f"{relative} has {size[0]}x{size[1]} pixels and the first image "
                f"{first[0]}x{first[1]}; crop or resize them to the same size."
            )
        rgb = rgb or mode in _RGB
    return "RGB" if rgb else "L"


def _pixels(files: Sequence[Path], mode: str) -> NDArray[np.float32]:
    """Return the images as (N, C, H, W) in [0, 1]; all must have the same size."""
    first = _decoded(files[0], mode)
    images = np.empty((len(files), *first.shape), np.float32)
    for index, path in enumerate(files):
        images[index] = _decoded(path, mode)
    images /= 255
    return images


def _decoded(path: Path, mode: str) -> NDArray[np.uint8]:
    """Return one image as (C, H, W)."""
    with _opened(path) as image:
        pixels = np.asarray(image.convert(mode))
    return np.atleast_3d(pixels).transpose(2, 0, 1)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image; whatever fails while it is read becomes a `DataError`.

    Raises:
        DataError: if the file is not an image, or is damaged.
    """
    try:
        with Image.open(path) as image:
            yield image
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises all three for damaged files
        raise DataError(
            f"{path.name} in {path.parent.name} cannot be read as an image ({error}); "
            "save it again or remove it."
        ) from error


SOURCE = DataSource(name="folder", targets="classes", load=load, uses_root=True)
