"""Files shared between processes: atomic replacement, checksums and locks."""

import ctypes
import errno
import fcntl
import fnmatch
import glob
import hashlib
import json
import os
import shutil
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from jtdiag.errors import StoreError

# One flush of a file system takes less time than flushing dozens of small files one by one. Only
# Linux has it, and Python does not offer it.
_SYNCFS = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)

CHECKSUM = "checksum"
"""Key under which a JSON object records its own checksum."""
NAME = "file"
"""Key under which a JSON file records its name, so that another one in its place is noticed."""
HOST = hashlib.sha256(os.uname().nodename.encode()).hexdigest()[:8]
"""Stands for this machine in the names of drafts; several machines may share a folder."""
NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)
"""Errors of file systems without locks."""
OLD_DRAFT = 24 * 3600.0
"""Seconds after which a draft of another machine is taken for that of a dead process."""


def write_atomically(path: Path, text: str) -> None:
    """Replace a text file atomically: a reader sees the old content or the new, never a mix.

    The new content is on the disk when the function returns, also after a power failure. A
    symbolic link stays one; the file that it points to is replaced. Drafts of the file that killed
    processes have left are removed.
    """
    path = Path(os.path.realpath(path))  # Path.resolve refuses links that lead to themselves
    remove_dead_drafts(path.parent, path.name)
    _replace(path, text)


def _replace(path: Path, text: str) -> None:
    draft = draft_of(path)
    try:
        with draft.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)  # free the space again on a full disk
        raise
    _sync_folder(path.parent)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a draft of a file, which replaces the file when the block ends without an error.

    Drafts of the file that killed processes have left are removed.
    """
    remove_dead_drafts(path.parent, path.name)
    draft = draft_of(path)
    try:
        yield draft
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def draft_of(path: Path) -> Path:
    """Return the path of this process's draft of a file or folder."""
    return path.with_name(f".{path.name}.{process()}.draft")


def process() -> str:
    """Return what names this process in a folder that several machines may share."""
    return f"{os.getpid()}@{HOST}"


def remove_dead_drafts(folder: Path, name: str = "") -> None:
    """Remove drafts in a folder whose processes no longer exist.

    Whether a process of another machine exists is not known: its drafts are removed after a day.

    Args:
        folder: The folder.
        name: File or folder that they are drafts of; by default any.
    """
    pattern = f".{glob.escape(name) or '*'}.*.draft"
    for draft in drafts_in(folder):
        if fnmatch.fnmatchcase(draft.name, pattern) and _is_dead(draft):
            if draft.is_dir():
                shutil.rmtree(draft, ignore_errors=True)
            else:
                draft.unlink(missing_ok=True)


def drafts_in(folder: Path) -> list[Path]:
    """Return the drafts in a folder of any size: `Path.glob` is many times slower."""
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        return [folder / name for name in os.listdir(folder) if name.endswith(".draft")]
    return []


def _is_dead(draft: Path) -> bool:
    owner = draft.name.removesuffix(".draft").rpartition(".")[2].partition("-")[0]
    number, _, host = owner.partition("@")  # older versions wrote the number only
    if not number.isdigit():
        return False
    if host not in ("", HOST):
        with suppress(FileNotFoundError):
            return time.time() - draft.stat().st_mtime > OLD_DRAFT
        return False
    return not _exists(int(number))


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def flush(folder: Path) -> None:
    """Return when everything that was written to the file system of a folder is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if _SYNCFS is None:
            os.sync()
        elif _SYNCFS(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Return when the entries of a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def with_checksum(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return JSON fields and their checksum, under the key ``checksum``."""
    return {**fields, CHECKSUM: _checksum(fields)}


def without_checksum(fields: Any) -> dict[str, Any]:
    """Verify the checksum of JSON fields and return the fields without it.

    Raises:
        ValueError: if there is none, or the fields were changed.
    """
    if not isinstance(fields, dict) or CHECKSUM not in fields:
        raise ValueError("it has no checksum")
    rest = {key: value for key, value in fields.items() if key != CHECKSUM}
    if fields[CHECKSUM] != _checksum(rest):
        raise ValueError("its checksum is wrong")
    return rest


def _checksum(fields: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(fields, sort_keys=True).encode()):08x}"


def digest(path: Path) -> str:
    """Return the hash of a file, as 32 hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]


def write_json(path: Path, fields: Mapping[str, Any]) -> None:
    """Replace a JSON file atomically; it records its own name and checksum.

    Unlike `write_atomically`, it does not look for drafts: it is called for every epoch, in a
    folder with many files.
    """
    _replace(path, json.dumps(with_checksum({NAME: path.name, **fields})) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return the fields of a file that `write_json` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        OSError: if it cannot be read.
        ValueError: if it is damaged, or another file.
    """
    return of_file(path, json.loads(path.read_text(encoding="utf-8")))


def of_file(path: Path, document: Any) -> dict[str, Any]:
    """Return the fields of a parsed JSON file, as `read_json` does.

    Raises:
        ValueError: if it is damaged, or another file.
    """
    fields = without_checksum(document)
    if fields.pop(NAME, path.name) != path.name:
        raise ValueError("it is another file")
    return fields


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

    False on file systems without locks. Nothing is written, so a read-only file can be checked.
    The check holds a shared lock for an instant: a process that acquires the lock at that moment
    succeeds if its timeout is not 0.
    """
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    return False
