"""Files shared between processes: atomic replacement and locks."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from jtdiag.errors import StoreError


def write_atomically(path: Path, text: str) -> None:
    """Replace a text file atomically: a reader sees the old content or the new, never a mix."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    try:
        with draft.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)  # free the space again on a full disk
        raise


def acquire(path: Path, timeout: float) -> FileLock:
    """Acquire the lock of a file; call ``release()`` on what is returned, from any thread.

    The operating system releases the lock when the process exits, however it exits.

    Args:
        path: The lock file. It is created if missing and remains, empty, after release.
        timeout: Seconds to wait if the lock is held.

    Raises:
        TimeoutError: if the lock is still held after that time.
        OSError: if the lock file cannot be written.
    """
    lock = FileLock(path, timeout=timeout, thread_local=False)
    lock.acquire()
    return lock


@contextmanager
def locked(path: Path, timeout: float) -> Iterator[None]:
    """Hold the lock of a file while the block runs.

    Args:
        path: As in `acquire`.
        timeout: As in `acquire`.

    Raises:
        StoreError: if the lock is still held after the timeout.
        OSError: if the lock file cannot be written.
    """
    if not path.parent.is_dir():  # FileLock would create the folder
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))
    try:
        lock = acquire(path, timeout)
    except Timeout as error:
        raise StoreError(
            f"{path}: another process has held this lock for {timeout:g} seconds; "
            "wait until it has finished, or stop it, then try again."
        ) from error
    try:
        yield
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Check whether any process, including this one, holds the lock of a file.

    Nothing is written, so a read-only file can be checked. The check holds a shared lock for an
    instant: a process that acquires the lock at that moment succeeds if its timeout is not 0.
    """
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
