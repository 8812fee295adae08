"""Files that others read or write at the same time: replaced whole, and locked."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from jtdiag.errors import StoreError


def write_atomically(path: Path, text: str) -> None:
    """Replace a text file, so that a reader finds the old content or the new, never a part."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    try:
        with draft.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)  # on a full disk, half a draft takes room
        raise


@contextmanager
def locked(path: Path, timeout: float) -> Iterator[None]:
    """Hold the lock of a file while the block runs; it ends with its process, however that ends.

    Args:
        path: The lock file; it stays behind, empty.
        timeout: Seconds to wait for another process that holds it.

    Raises:
        StoreError: if another process still holds it then.
        OSError: if the lock file cannot be written.
    """
    if not path.parent.is_dir():  # FileLock would create the folder
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))
    lock = FileLock(path, timeout=timeout)
    try:
        lock.acquire()
    except Timeout as error:
        raise StoreError(
            f"{path}: another process has held this lock for {timeout:g} seconds; "
            "wait until it has finished, or stop it, then try again."
        ) from error
    try:
        yield
    finally:
        lock.release()
