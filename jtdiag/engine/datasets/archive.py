"""Arrays in an .npz file, checked by their headers before memory is allocated for them.

Only the arrays that are named are read. Pickled objects are never loaded, and no path in the
archive is used as a path.
"""

import math
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from jtdiag.engine import memory
from jtdiag.errors import DataError
from jtdiag.printable import one_line

_SUFFIX: Final = ".npy"
_MAGIC: Final = b"\x93NUMPY"
_HEADERS: Final = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
    (3, 0): npy.read_array_header_2_0,  # differs in the encoding of the names of fields
}
_EXACT: Final = ("bool", "int8", "uint8", "int16", "uint16", "float16", "float32")
_BYTES_PER_NUMBER: Final = {True: 8, False: 20}
"""Memory that reading takes at most, for types that float32 represents exactly and for others:
the array, a copy in float64 if needed, one in float32, and a tensor."""


def read(path: Path, wanted: Mapping[str, str]) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Return arrays of an .npz file, and the names of all arrays in it.

    Args:
        path: The file.
        wanted: Names in the file by the keys of the result; those that it lacks are left out.

    Raises:
        DataError: if the file is missing or damaged, or if an array contains Python objects, or
            is larger than memory.
    """
    with _opened(path) as archive:
        members = [name for name in archive.namelist() if name.endswith(_SUFFIX)]
        names = [name.removesuffix(_SUFFIX) for name in members]
        here = {key: name for key, name in wanted.items() if name in names}
        for name in here.values():
            if names.count(name) > 1:
                raise DataError(f"{name} is in the archive {names.count(name)} times; keep one.")
        headers = {name: _header(archive, name) for name in here.values()}
        memory.require(sum(header.memory for header in headers.values()), "its arrays")
        return {key: _array(archive, name, headers[name]) for key, name in here.items()}, names


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive; whatever fails while it is read becomes a `DataError`.

    Raises:
        DataError: if it is not a file, not an archive, or damaged.
    """
    try:
        if not path.is_file():
            problem = "not a regular file" if path.exists() else "there is no such file"
            raise DataError(f"{problem}; give the path of a file written by np.savez.")
        with path.open("rb") as file:
            single = file.read(len(_MAGIC)) == _MAGIC
            if not zipfile.is_zipfile(file):
                what = "a single array" if single else "not a complete .npz archive"
                raise DataError(f"{what}; write all arrays to one file with np.savez.")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # numpy's on headers that old versions wrote
                with zipfile.ZipFile(file) as archive:
                    yield archive
    except DataError:
        raise
    except Exception as error:  # zipfile and numpy raise many kinds for damaged files
        raise DataError(
            f"the archive cannot be read ({_reason(error)}); write it again."
        ) from error


def _reason(error: Exception) -> str:
    """Return what an error says; one of the operating system repeats the path otherwise."""
    system = error.strerror if isinstance(error, OSError) else None
    return one_line(system or str(error), 200)


@dataclass(frozen=True)
class _Header:
    """What an array in an archive says about itself, and how much there is of it."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    present: int
    """Bytes after the header."""

    @property
    def declared(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def memory(self) -> int:
        """Bytes that reading it takes at most."""
        numbers = math.prod(self.shape) if self.dtype.kind in "biuf" else 0
        return max(self.declared, numbers * _BYTES_PER_NUMBER[self.dtype.name in _EXACT])


def _header(archive: zipfile.ZipFile, name: str) -> _Header:
    with archive.open(f"{name}{_SUFFIX}") as file:
        version = npy.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"version {version} of the .npy format is not known")
        shape, _, dtype = _HEADERS[version](file)
        return _Header(shape, dtype, archive.getinfo(f"{name}{_SUFFIX}").file_size - file.tell())


def _array(archive: zipfile.ZipFile, name: str, header: _Header) -> NDArray[Any]:
    """Return an array.

    Raises:
        DataError: if it contains Python objects, or the archive has less than the header says.
    """
    if header.dtype.hasobject:
        raise DataError(
            f"{name} contains Python objects, which are not read; convert it, for example with "
            f"{name}.astype(str) or .astype(float), and write the file again."
        )
    if header.present < header.declared:
        raise DataError(
            f"{name} takes {header.declared:,} bytes by its header, but there are "
            f"{header.present:,}; write the file again."
        )
    with archive.open(f"{name}{_SUFFIX}") as file:
        return np.asarray(npy.read_array(file, allow_pickle=False))
