"""Where data come from: one file per source, each of which returns `Arrays`."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from jtdiag.engine.datasets import diabetes, digits, fashion_mnist, folder, npz, synthetic
from jtdiag.engine.datasets.arrays import Arrays, channel_moments
from jtdiag.errors import DataError

__all__ = ["NAMES", "Arrays", "channel_moments", "load"]

_CLASSES: Final[Mapping[str, Callable[[Path], Arrays]]] = {
    "digits": digits.load,
    "fashion-mnist": fashion_mnist.load,
    "folder": folder.load,
    "npz": npz.load,
}
"""Sources of classes; an .npz file may hold numbers as well."""
_NUMBERS: Final[Mapping[str, Callable[[], Arrays]]] = {
    "diabetes": diabetes.load,
    "counts": synthetic.counts,
    "labels": synthetic.labels,
}
"""Sources of numbers to predict; all embedded."""
NAMES: Final = (*_CLASSES, *_NUMBERS)
"""The names that `load` knows; a path will do as well."""


def load(name: str, root: Path, *, numbers: bool = False) -> Arrays:
    """Return the data set of that name, or the one at that path.

    Args:
        name: One of `NAMES`, or the path of an .npz file or of a folder with train and test in it.
        root: Where the files of a named data set lie; for "npz" the file itself, for "folder"
            the folder that holds train and test. Not used for embedded data or when `name` is a
            path.
        numbers: Whether targets are to be numbers, as far as the file leaves that open.

    Raises:
        DataError: The name is unknown, or the data are missing or not what they should be.
    """
    if name in _NUMBERS:
        return _NUMBERS[name]()
    if name == "npz" or (name.endswith(".npz") and name not in _CLASSES):
        return npz.load(root if name == "npz" else Path(name), numbers=numbers)
    if name in _CLASSES:
        return _CLASSES[name](root)
    if name and Path(name).is_dir():
        return folder.load(Path(name))
    near = get_close_matches(name.lower().replace("_", "-"), NAMES, 1, cutoff=0.5)
    raise DataError(
        f"There is no data set '{name}'."
        + (f" Did you mean '{near[0]}'?" if near else "")
        + f" Known are {', '.join(NAMES)}, the path of an .npz file, and a folder of images."
    )
