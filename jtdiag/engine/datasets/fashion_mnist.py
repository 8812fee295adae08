"""Fashion-MNIST: 60,000 training and 10,000 test images of clothes, 28x28, grey, 10 classes.

Read by torchvision from its own layout, ROOT/FashionMNIST/raw, and fetched by it when files are
missing. torchvision takes any file of the right name for whole, also one whose download was cut
short; so a download goes to a folder aside and is moved into place when complete, and every
file's size is compared with what its header promises.
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
"""First word of an IDX file of unsigned bytes, less its number of axes."""


def load(root: Path) -> Arrays:
    """Return the data set below `root`, images (N, 1, 28, 28) in [0, 1], fetching missing files.

    Raises:
        DataError: Files are missing and cannot be fetched, or are damaged.
    """
    folder = root / _RAW
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        _download(root, missing)
    for name in _FILES:
        _check_whole(folder / name)
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
    """Return images (N, 1, H, W) in [0, 1] and labels (N,) of one of torchvision's parts."""
    images = np.divide(dataset.data.numpy()[:, None], 255, dtype=np.float32)
    return images, dataset.targets.numpy()


def _download(root: Path, missing: Sequence[str]) -> None:
    """Fetch all four files aside and move the missing ones into place.

    Raises:
        DataError: The download failed; nothing was put into place, or whole files only.
    """
    source = import_torchvision().datasets.FashionMNIST
    folder = root / _RAW
    try:
        with TemporaryDirectory(dir=_nearest_folder(root), prefix=".fashion-mnist-") as aside:
            source(aside, download=True)
            folder.mkdir(parents=True, exist_ok=True)
            for name in missing:
                os.replace(Path(aside, _RAW, name), folder / name)
    except (OSError, RuntimeError, HTTPException, EOFError) as error:
        raise DataError(
            f"Fashion-MNIST: {', '.join(missing)} not found in {folder}, and the download failed "
            f"({shorten(str(error), 200)}); put the files there, or name the folder that holds "
            f"{_RAW} with `--set data.root=FOLDER`."
        ) from error


def _nearest_folder(root: Path) -> Path:
    """Return `root` or the first folder above it that exists: on the same disk, as moving needs.

    A root that was mistyped is thus not created before there is something to put in it.
    """
    return next(folder for folder in (root, *root.absolute().parents) if folder.is_dir())


def _check_whole(path: Path) -> None:
    """Refuse an IDX file of which bytes are missing, or that is none.

    Raises:
        DataError: The size is not what the header promises.
    """
    axes = 3 if "images" in path.name else 1
    first, *shape = np.fromfile(path, dtype=">u4", count=1 + axes).tolist() or [0]
    promised = 4 * (1 + axes) + prod(shape)
    size = path.stat().st_size
    if first != _IDX_UBYTE + axes or len(shape) != axes or size != promised:
        raise DataError(
            f"{path} holds {size} bytes and is no whole IDX file of {axes} axes; "
            "delete it and run again to fetch it anew."
        )
