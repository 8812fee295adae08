"""Reading whole chunks that are not compressed, without copying them, and verifying them.

Outputs and checkpoints are such chunks: the values in C order, little-endian, and their CRC-32C.
Reading one here takes less time than reading it with zarr without any verification.
"""

from pathlib import Path
from typing import Any, BinaryIO

import google_crc32c
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BytesCodec, Crc32cCodec, Endian

from jtdiag.errors import StoreError
from jtdiag.store import checksums

TRAILER = 4
"""Bytes of the checksum at the end of a chunk."""


def is_possible(array: zarr.Array[Any]) -> bool:
    """Return whether the chunks of an array are values and a checksum, and nothing else."""
    encodings = ((BytesCodec(endian=e), Crc32cCodec()) for e in (Endian.little, None))
    codecs = getattr(array.metadata, "codecs", ())
    return tuple(codecs) in encodings and array.dtype.isnative


def read(array: zarr.Array[Any], store: Path, chunk: str, checksum: str) -> NDArray[Any]:
    """Read a whole chunk, including what it has beyond the end of the array.

    Args:
        array: Array of the store, for which direct reading is possible.
        store: Folder of the store.
        chunk: Path of the chunk in the folder of the array's chunks, such as "0/1/4/0/0".
        checksum: The one that was recorded for this chunk, as hexadecimal digits.

    Raises:
        StoreError: if the chunk is damaged, missing, or another one.
    """
    path = store / array.path / "c" / chunk
    values = np.empty(array.chunks, array.dtype)
    content = values.reshape(-1).view(np.uint8)
    try:
        with path.open("rb", buffering=0) as stream:
            complete = _fill(stream, content)
            trailer = stream.read(TRAILER + 1)
    except OSError as error:
        raise checksums.missing(store, path, error) from error
    if complete and trailer.hex() != checksum:
        raise checksums.exchanged(store, path)
    if not complete or google_crc32c.value(content) != int.from_bytes(trailer, "little"):
        raise StoreError(
            f"{path}: a chunk is damaged: its content does not match its checksum. "
            f"{checksums.remedy(store.parent)}"
        )
    return values


def _fill(stream: BinaryIO, content: NDArray[np.uint8]) -> bool:
    """Read an array from a file; return whether the file is long enough."""
    view, done = content.data, 0
    while done < len(view):  # one call reads at most 2 GB
        count = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            return False
        done += count
    return True
