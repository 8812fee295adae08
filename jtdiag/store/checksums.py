"""Checksums that tie each chunk to its place in the store.

Every chunk ends with the CRC-32C of its content, which zarr verifies. That does not show that a
chunk was exchanged with another one, or copied there. So the checksums of the chunks of an epoch
are also recorded by path, in a file that is written before the epoch is sealed; those of arrays
that are written only once, when the run is created.
"""

import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jtdiag import files
from jtdiag.errors import StoreError
from jtdiag.printable import shell_word
from jtdiag.store.lanes import FOLDER, Lane

Chunks = dict[str, dict[str, str]]
"""Checksum of every chunk, by the path of its array and the path of the chunk in it."""

SUFFIX = ".chunks.json"
"""End of the names of records."""

CREATED = f"store{SUFFIX}"
"""Records the files that are written only when the run is created."""


def remedy(run: Path) -> str:
    """Return the last sentence of an error about damage of a run."""
    return f"See what is damaged with: jtdiag check {shell_word(run)}"


def of_chunk(path: Path) -> str:
    """Return the CRC-32C that ends a chunk, as 8 hexadecimal digits; "" if the file is shorter."""
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        if size < 4:
            return ""
        stream.seek(-4, 2)
        return stream.read(4).hex()


def is_there(path: Path, checksum: str) -> bool:
    """Return whether a chunk with a checksum is on this machine."""
    try:
        return of_chunk(path) == checksum
    except OSError:
        return False


def of_rows(values: NDArray[Any]) -> str:
    """Return the CRC-32 of an array's values in C order, as 8 hexadecimal digits."""
    return f"{zlib.crc32(np.ascontiguousarray(values).data):08x}"


def chunk_files(folder: Path) -> list[Path]:
    """Return the chunk files in a folder of chunks, or the chunk itself; without partial files."""
    if folder.is_file():
        return [folder]
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.suffix)


def of_arrays(store: Path, arrays: Iterable[str], index: tuple[int, ...] = ()) -> Chunks:
    """Return the checksums of the chunks of some arrays that begin with an index of the grid."""
    result: Chunks = {}
    for array in arrays:
        folder = store / array / "c"
        paths = chunk_files(folder.joinpath(*map(str, index)))
        result[array] = {path.relative_to(folder).as_posix(): of_chunk(path) for path in paths}
    return result


def require(store: Path, array: str, recorded: Mapping[str, str]) -> None:
    """Check that the chunks of an array are those that were recorded.

    Raises:
        StoreError: for the first chunk that is missing or another one.
    """
    for name, checksum in recorded.items():
        path = store / array / "c" / name
        try:
            actual = of_chunk(path)
        except OSError as error:
            raise missing(store, path, error) from error
        if actual != checksum:
            raise exchanged(store, path)


def missing(store: Path, path: Path, error: OSError) -> StoreError:
    """Return the error of a chunk that is not there."""
    return StoreError(
        f"{path}: a chunk of a sealed epoch is missing or cannot be read "
        f"({error.strerror}). {remedy(store.parent)}"
    )


def exchanged(store: Path, path: Path) -> StoreError:
    """Return the error of a chunk whose checksum is not the one that was recorded."""
    return StoreError(
        f"{path}: this is not the chunk that was written here. {remedy(store.parent)}"
    )


# --- records -------------------------------------------------------------------------------------


def path_of(run: Path, lane: Lane, epoch: int) -> Path:
    """Return the path of the record of one epoch."""
    return run / FOLDER / f"{lane.key}-epoch{epoch}{SUFFIX}"


def write(run: Path, lane: Lane, epoch: int, chunks: Chunks) -> None:
    """Record the chunks of one epoch."""
    values = {"lane": lane.key, "epoch": epoch, "chunks": chunks}
    files.write_json(path_of(run, lane, epoch), values)


def read(run: Path, lane: Lane, epoch: int) -> Chunks | None:
    """Return the recorded chunks of one epoch; None if there is no record.

    Raises:
        StoreError: if the record is damaged, or that of another epoch or lane.
    """
    path = path_of(run, lane, epoch)
    values = _read(path)
    if values is None:
        return None
    if (values.get("lane"), values.get("epoch")) != (lane.key, epoch):
        raise StoreError(f"{path}: is the record of another epoch or lane. {remedy(run)}")
    return dict(values["chunks"])


def write_created(run: Path, chunks: Chunks, metadata: Mapping[str, str]) -> None:
    """Record what is written only when the run is created: chunks, and hashes of metadata."""
    files.write_json(run / FOLDER / CREATED, {"chunks": chunks, "metadata": dict(metadata)})


def read_created(run: Path) -> dict[str, Any] | None:
    """Return ``chunks`` and ``metadata`` as recorded when the run was created; None without them.

    Raises:
        StoreError: if the record is damaged.
    """
    values = _read(run / FOLDER / CREATED)
    if values is not None and not {"chunks", "metadata"} <= values.keys():
        raise StoreError(f"{run / FOLDER / CREATED}: is another file. {remedy(run)}")
    return values


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return files.read_json(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: is damaged ({error}). {remedy(path.parent.parent)}") from error
