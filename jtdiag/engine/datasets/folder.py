"""A folder of images by class: train/<class>/*.png and test/<class>/*.png, or .jpg, .tif, ….

Classes are the folder names in sorted order; images within a class are sorted by file name. All
images must have the same size, or are resized. If all are grayscale there is one channel; if any is
not, grayscale images are converted to RGB. Hidden files are skipped; other files and nested folders
are left out, and counted.
"""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from jtdiag.engine import memory, wording
from jtdiag.engine.datasets import picture
from jtdiag.engine.datasets.arrays import Arrays, located
from jtdiag.engine.datasets.contract import DataSource
from jtdiag.errors import DataError

TRAIN: Final = "train"
TEST: Final = "test"


def load(root: Path, *, resize: tuple[int, ...] = ()) -> Arrays:
    """Return the images below `root` as (N, C, H, W) in [0, 1], with C = 1 or 3.

    Args:
        root: The folder that contains train and test.
        resize: Height and width to which all images are resized; empty for their own size.

    Raises:
        DataError: if folders are missing or empty, the parts have different classes, or an image
            cannot be read, or differs in size from the first.
    """
    with located(root):
        classes = _classes(root)
        train_files, y_train = _part(root, TRAIN, classes)
        test_files, y_test = _part(root, TEST, classes)
        files = (*train_files, *test_files)
        headers = [picture.header(path) for path in files]
        shape = _common_shape(root, files, headers, resize)
        memory.require(8 * len(files) * math.prod(shape), f"{len(files)} images")
        gray = shape[0] == 1
        return Arrays(
            x_train=_pixels(train_files, shape, gray=gray, resize=resize),
            y_train=y_train,
            x_test=_pixels(test_files, shape, gray=gray, resize=resize),
            y_test=y_test,
            classes=classes,
            mean=None,
            sd=None,
            notes=_notes(root, headers, classes),
        )


def _notes(
    root: Path, headers: Sequence[picture.Header], classes: Sequence[str]
) -> tuple[str, ...]:
    """Return what was converted, and what was left out."""
    converted = Counter(kind for header in headers for kind in header.conversions)
    gray = sum(header.gray for header in headers)
    if gray < len(headers):
        converted["grayscale"] = gray
    converted = +converted  # without counts of 0
    notes = [wording.converted(count, kind) for kind, count in sorted(converted.items())]
    beside = [path for path in _visible(root) if path.name not in (TRAIN, TEST)]
    inside = [path for part in (TRAIN, TEST) for path in _left_out(root / part, classes)]
    left_out = [*inside, *beside]
    if left_out:
        notes.append(wording.left_out(len(left_out), str(left_out[0].relative_to(root))))
    return tuple(notes)


def _left_out(part: Path, classes: Sequence[str]) -> list[Path]:
    """Return visible files and folders of a part that contain no images that are read."""
    loose = [path for path in _visible(part) if not path.is_dir()]
    inside = [path for name in classes for path in _visible(part / name) if not _is_image(path)]
    return [*loose, *inside]


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in picture.SUFFIXES and not path.is_dir()


def _part(root: Path, part: str, classes: Sequence[str]) -> tuple[list[Path], NDArray[np.int64]]:
    """Return the images of train or test, by class and name, and their labels.

    Raises:
        DataError: if a class has no training image, or the part has no images.
    """
    files: list[Path] = []
    counts = []
    for name in classes:
        files_of_class = _visible(root / part / name)
        images = [path for path in files_of_class if _is_image(path)]
        if part == TRAIN and not images:
            raise DataError(
                f"{part}/{name} contains no {', '.join(picture.SUFFIXES)}; "
                "put the images of the class there, or remove it from both parts."
            )
        files += images
        counts.append(len(images))
    if not files:
        raise DataError(
            f"{part} contains no {', '.join(picture.SUFFIXES)} in any class; put images there."
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
    """Return the files and folders in a folder, sorted by name, without hidden ones.

    Raises:
        DataError: if it cannot be listed.
    """
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(
            f"{folder.name} cannot be listed ({error.strerror}); correct its permissions, or "
            "remove it."
        ) from error


def _common_shape(
    root: Path,
    files: Sequence[Path],
    headers: Sequence[picture.Header],
    resize: tuple[int, ...],
) -> tuple[int, int, int]:
    """Return the shape (C, H, W) of all images: one channel if all are grayscale, else three.

    Raises:
        DataError: if sizes differ, and images are not resized.
    """
    first = headers[0].size
    for path, header in zip(files, headers, strict=True):
        if header.size != first and not resize:
            size = header.size
            raise DataError(
                f"{path.relative_to(root)} has {size[0]}x{size[1]} pixels and the first image "
                f"{first[0]}x{first[1]}; set data.resize = [height, width], or crop or resize them "
                "to the same size."
            )
    height, width = resize or first[::-1]
    return 1 if all(header.gray for header in headers) else 3, height, width


def _pixels(
    files: Sequence[Path], shape: tuple[int, int, int], *, gray: bool, resize: tuple[int, ...]
) -> NDArray[np.float32]:
    """Return the images as (N, C, H, W) in [0, 1]."""
    images = np.empty((len(files), *shape), np.float32)
    for index, path in enumerate(files):
        images[index] = picture.pixels(path, gray=gray, resize=resize)
    return images


SOURCE = DataSource(
    name="folder", targets="classes", load=load, options=("resize",), uses_root=True
)
