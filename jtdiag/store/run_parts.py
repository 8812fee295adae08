"""Which files are parts of a run, so that no table, figure or new run replaces them."""

import os
from pathlib import Path
from typing import Final

from jtdiag.errors import StoreError, option

PARTS: Final = ("recipe.toml", "store.zarr", "lanes", "growth", "results", "findings.jsonl")
"""Files and folders in a run's folder; figures and reports may lie beside them."""


def refuse_part_of_run(path: Path) -> None:
    """Check that a file or folder to be written is no part of a run.

    Raises:
        StoreError: if it is.
    """
    place = Path(os.path.realpath(path))  # also where symbolic links form a loop
    for folder in place.parents:
        part = place.relative_to(folder).parts[0]
        if part in PARTS and all((folder / name).exists() for name in PARTS[:2]):
            raise StoreError(
                f"{path} is a part of the run in {folder}, and is not replaced; choose another "
                f"place{option('', ' with --out')}."
            )
