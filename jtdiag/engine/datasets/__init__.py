"""Data sets: one file each, found by name as entry points of ``jtdiag.datasets``.

`contract` defines the record that describes a data set, `arrays` what loading one returns. An
.npz file or a folder of images may be given by its path instead of a name, and a function that
returns data by its address.
"""

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from jtdiag import loading
from jtdiag.engine.datasets import by_address, folder, npz
from jtdiag.engine.datasets.arrays import Arrays, channel_moments
from jtdiag.engine.datasets.contract import NO_OPTIONS, SOURCES, DataSource
from jtdiag.errors import DataError, shortened

__all__ = ["SOURCES", "Arrays", "DataSource", "channel_moments", "load"]


def load(
    name: str, root: Path, *, numbers: bool = False, options: Mapping[str, Any] = NO_OPTIONS
) -> Arrays:
    """Return the data set with that name, or the one at that path.

    Args:
        name: Name of an installed data set, or the path of an .npz file or of a folder that
            contains train and test, or an address, as in `by_address`.
        root: Folder with the files of a named data set; for "npz" the file itself, for "folder"
            the folder that contains train and test. Ignored for data that come with a package
            and when `name` is a path.
        numbers: Whether targets are numbers, where the data leave that open.
        options: Other fields of [data] that are set, such as layout.

    Raises:
        DataError: if there is no such data set, or its data are missing or invalid.
    """
    installed = SOURCES.names()
    if name in installed:
        return SOURCES.find(name).read(root, numbers=numbers, options=options)
    if name.endswith(".npz"):
        return npz.SOURCE.read(Path(name), numbers=numbers, options=options)
    if name and os.path.isdir(name):
        return folder.SOURCE.read(Path(name), options=options)
    if loading.split(name)[0]:
        return by_address.load(name, root, numbers=numbers, options=options)
    matches = get_close_matches(name[:100].lower().replace("_", "-"), installed, 1, cutoff=0.5)
    hint = f" Did you mean '{matches[0]}'?" if matches else ""
    raise DataError(
        f"There is no data set '{shortened(name, 200)}'.{hint} Use one of {', '.join(installed)}, "
        "or the path of an .npz file or of a folder of images, or file.py:function."
    )
