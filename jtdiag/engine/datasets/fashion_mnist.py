"""Fashion-MNIST: 60,000 training and 10,000 test images of clothing, 28x28, grayscale, 10 classes.

torchvision reads the files from its own layout, ROOT/FashionMNIST/raw, and downloads them if they
are missing. It accepts any file with the right name, even a truncated download. So files are
downloaded to a temporary folder and moved into place when complete, and the size of every file is
checked against its header.
"""

import os
from collections.abc import Sequence
from http.client import HTTPException
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import shorten
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from jtdiag.engine.datasets.arrays import Arrays, located
from jtdiag.engine.datasets.contract import DataSource
from jtdiag.engine.torchvision_import import import_torchvision
from jtdiag.errors import DataError

_RAW: Final = Path("FashionMNIST", "raw")
_FILES: Final = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_IDX_UBYTE: Final = 0x0800
"""First word of an IDX file of unsigned bytes, minus its number of axes."""


def load(root: Path) -> Arrays:
    """Return the data set below `root`, images (N, 1, 28, 28) in [0, 1]; download missing files.

    Raises:
        DataError: if files are damaged, or missing and cannot be downloaded.
    """
    folder = root / _RAW
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        _download(root, missing)
    for name in _FILES:
        _check_complete(folder / name)
    source = import_torchvision().datasets.FashionMNIST
    x_train, y_train = _part(source(root, train=True))
    x_test, y_test = _part(source(root, train=False))
    with located(folder):
        return Arrays(
            x_train=x_train,
            y_train=y_train,
            x_test=x_test,
            y_test=y_test,
            classes=tuple(source.classes),
            mean=(0.2860,),
            sd=(0.3530,),
        )


def _part(dataset: Any) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return images (N, 1, H, W) in [0, 1] and labels (N,) of the training or test part."""
    images = np.divide(dataset.data.numpy()[:, None], 255, dtype=np.float32)
    return images, dataset.targets.numpy()


def _download(root: Path, missing: Sequence[str]) -> None:
    """Download all four files to a temporary folder and move the missing ones into place.

    Raises:
        DataError: if the download fails; only complete files have been moved by then.
    """
    source = import_torchvision().datasets.FashionMNIST
    folder = root / _RAW
    try:
        with TemporaryDirectory(dir=_nearest_folder(root), prefix=".fashion-mnist-") as temporary:
            source(temporary, download=True)
            folder.mkdir(parents=True, exist_ok=True)
            for name in missing:
                os.replace(Path(temporary, _RAW, name), folder / name)
    except (OSError, RuntimeError, HTTPException, EOFError) as error:
        raise DataError(
            f"Fashion-MNIST: {', '.join(missing)} not found in {folder}, and the download failed "
            f"({shorten(str(error), 100)}); put the files there, or name the folder that contains "
            f"{_RAW} with `--set data.root=FOLDER`."
        ) from error


def _nearest_folder(root: Path) -> Path:
    """Return `root` or its first parent that exists: on the same disk, so that files can be moved.

    So a mistyped root is not created before there are files to put in it.
    """
    return next(folder for folder in (root, *root.absolute().parents) if folder.is_dir())


def _check_complete(path: Path) -> None:
    """Check that a file is a complete IDX file.

    Raises:
        DataError: if its size differs from what its header says.
    """
    axes = 3 if "images" in path.name else 1
    first, *shape = np.fromfile(path, dtype=">u4", count=1 + axes).tolist() or [0]
    expected = 4 * (1 + axes) + prod(shape)
    size = path.stat().st_size
    if first != _IDX_UBYTE + axes or len(shape) != axes or size != expected:
        raise DataError(
            f"{path} has {size} bytes and is not a complete IDX file with {axes} axes; "
            "delete it, and it is downloaded again."
        )


SOURCE = DataSource(name="fashion-mnist", targets="classes", load=load, uses_root=True)
