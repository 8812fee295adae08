"""The seal of a stored result: the hash of every file, written after all of them.

The seal of ``results/dominance.zarr`` is ``results/dominance.json``. A result that does not match
its seal was damaged, copied in part, or interrupted while it was written.
"""

from pathlib import Path

from jtdiag import files
from jtdiag.store import formats

FOLDER = "results"
"""Folder of results and their seals in a run."""
FORMAT = 2
"""Format of a stored result: 2 has a seal; results of older versions have no format."""


def path_of(result: Path) -> Path:
    """Return the path of a result's seal."""
    return result.with_suffix(".json")


def write(result: Path) -> None:
    """Seal a result that is completely on disk."""
    files.write_json(path_of(result), {"format": FORMAT, "files": _hashes(result)})


def remove(result: Path) -> None:
    """Remove the seal, before a result is replaced."""
    path_of(result).unlink(missing_ok=True)


def verify(result: Path) -> bool:
    """Compare the files of a result with its seal; return whether it has a seal.

    Only results of older versions have none.

    Raises:
        ValueError: if a file is missing, was changed or added, or the seal is damaged or missing.
        NewerFormatError: if a newer version has made it.
    """
    try:
        seal = files.read_json(path_of(result))
        formats.require(result, "result", seal.get("format", FORMAT), FORMAT)
        sealed = seal["files"]
    except FileNotFoundError as error:
        if formats.of_store(result) != 1:
            raise ValueError("its seal is missing") from error
        return False
    except (ValueError, KeyError) as error:
        raise ValueError(f"{path_of(result).name} is not its seal: {error}") from error
    _compare(result, sealed)
    formats.require(result, "result", formats.of_store(result), FORMAT)
    return True


def _compare(result: Path, sealed: dict[str, str]) -> None:
    actual = _hashes(result)
    for name in sorted(sealed.keys() | actual.keys()):
        if name not in actual:
            raise ValueError(f"the file {name} is missing")
        if name not in sealed:
            raise ValueError(f"the file {name} does not belong to it")
        if sealed[name] != actual[name]:
            raise ValueError(f"the file {name} was changed")


def identity(result: Path) -> tuple[int, int] | None:
    """Return what changes whenever a result is replaced; None if it has no seal."""
    try:
        status = path_of(result).stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def _hashes(result: Path) -> dict[str, str]:
    """Return the hash of every file by its path within the result, except hidden files."""
    paths = (path for path in sorted(result.rglob("*")) if path.is_file())
    return {
        path.relative_to(result).as_posix(): files.digest(path)
        for path in paths
        if not path.name.startswith(".")
    }
