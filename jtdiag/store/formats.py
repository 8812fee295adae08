"""Formats of what is on disk, so that a version that is too old says so instead of misreading.

The format of a run is a number in the attributes of its store. It rises when a version of jtdiag
writes anything in the folder that older versions would misread: recipe, seals, records or arrays.
Results and findings have a format of their own, since a newer version may add them to an older run.
"""

import json
from pathlib import Path
from typing import Any

from jtdiag.errors import StoreError

RUN = 2
"""Format of the runs that this version writes. 1 (or none): before checksums by path."""
CHECKED = 2
"""Format from which on the checksums of every file of a run are recorded."""


class NewerFormatError(StoreError):
    """A file that a newer version of jtdiag has written; it is not damaged."""


def require(path: Path, what: str, version: object, newest: int) -> None:
    """Check that this version of jtdiag can read a format.

    Args:
        path: The file or folder.
        what: What has the format, such as "run".
        version: The format that it has.
        newest: The newest one that this version of jtdiag reads.

    Raises:
        NewerFormatError: if the format is newer, or not a number.
    """
    if not isinstance(version, int) or version > newest:
        raise NewerFormatError(
            f"{path}: this {what} has format {version}; this version of jtdiag reads formats up "
            f"to {newest}: install a newer jtdiag."
        )


def of_store(store: Path) -> Any:
    """Return the format in the attributes of a Zarr group; 1 if there is none.

    The attributes are read as they are, before anything that a newer format may have changed.
    """
    try:
        document = json.loads((store / "zarr.json").read_text(encoding="utf-8"))
        return document["attributes"].get("format", 1)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 1  # whoever opens it will say what is wrong
