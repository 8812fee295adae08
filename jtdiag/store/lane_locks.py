"""Locks of lanes: one process trains a lane, other processes may train other lanes of the run.

The lock of a lane is a file beside its seal. A process writes one file that says who it is and
gives it a name, a hard link, for each of its lanes: making a link fails if the name exists, on
network file systems too. The system's lock on that one file (flock) ends with the process, and its
date is the heartbeat. So a process needs one descriptor and one thread, however many lanes it has.
Of filelock's leases, which are alike, each lane would need its own.

Where the file system has no hard links, one process at a time trains the run, as its lock says.
"""

import errno
import fcntl
import os
import threading
import time
import weakref
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from jtdiag import files
from jtdiag.errors import StoreError
from jtdiag.store import owners
from jtdiag.store.lanes import FOLDER, Lane
from jtdiag.store.owners import Owner

RUN_LOCK = "engine.lock"
"""Held by everyone who trains lanes of a run, and alone by who changes the run as a whole."""
BEAT = 15.0
"""Seconds between two heartbeats."""
PATIENCE = 0.25
"""Seconds to wait for a lock that is held: who looks at a lock holds it for an instant."""
NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)


class HeldError(StoreError):
    """A lock that another writer holds.

    Args:
        lane: The lane; None for the whole run.
        owner: Who holds it, if that is known.
        silence: Seconds since its last heartbeat.
    """

    def __init__(self, lane: Lane | None, owner: Owner | None = None, silence: float = 0) -> None:
        super().__init__(f"{lane} is held by {owner}.")
        self.lane, self.owner, self.silence = lane, owner, silence


def path_of(run: Path, lane: Lane) -> Path:
    """Return the path of a lane's lock."""
    return run / FOLDER / f"{lane.key}.lock"


class LaneLocks:
    """The locks of some lanes of a run, held until they are released or the process ends."""

    def __init__(self, run: Path, lanes: Sequence[Lane], whole: int, own: int | None) -> None:
        self._held = _Held(run, tuple(lanes), whole, own)
        # Like a lock of the system, it ends even if nobody releases it.
        self._finalizer = weakref.finalize(self, self._held.release)

    def moved(self, run: Path) -> None:
        """Follow the run's folder to another name."""
        self._held.run = run

    def require(self, lane: Lane) -> None:
        """Check that a lane's lock is still held, unless all have been released.

        Raises:
            StoreError: if another process has taken it, since this one was silent for too long.
        """
        path = path_of(self._held.run, lane)
        if self._finalizer.alive and self._held.own is not None and not _is(path, self._held.own):
            raise StoreError(
                f"{path}: another process has taken this lock, since this one was not heard of "
                f"for {owners.SILENT:g} s; training has ended here."
            )

    def release(self) -> None:
        """Release the locks; nothing if they are released already."""
        self._finalizer()


class _Held:
    """What is to be released; a part of its own, so that `LaneLocks` can be collected."""

    def __init__(self, run: Path, lanes: tuple[Lane, ...], whole: int, own: int | None) -> None:
        self.run, self.lanes, self.whole, self.own = run, lanes, whole, own
        self.pid, self.stop = os.getpid(), threading.Event()
        self.heart: threading.Thread | None = None
        if own is not None:
            beating = (os.dup(own), self.stop)
            self.heart = threading.Thread(target=_beat, args=beating, daemon=True)
            self.heart.start()

    def release(self) -> None:
        """Remove the lock files and end the locks."""
        mine = self.pid == os.getpid()  # not in a fork, which may end earlier
        if mine and self.own is not None:
            self._stop_heart()
            for path in (path_of(self.run, lane) for lane in self.lanes):
                with suppress(OSError):
                    if _is(path, self.own):
                        path.unlink()
        for descriptor in (self.own, self.whole):
            if descriptor is not None:
                with suppress(OSError):
                    if mine:  # forks have the same lock
                        fcntl.flock(descriptor, fcntl.LOCK_UN)
                with suppress(OSError):
                    os.close(descriptor)

    def _stop_heart(self) -> None:
        self.stop.set()
        if self.heart not in (None, threading.current_thread()):  # which may collect garbage
            self.heart.join(1)


def _is(path: Path, descriptor: int) -> bool:
    """Return whether a path is a name of an open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def acquire(run: Path, lanes: Iterable[Lane]) -> LaneLocks:
    """Take the locks of some lanes, all of them or none.

    Raises:
        HeldError: if one is held, or the whole run is.
        OSError: if the lock files cannot be written.
    """
    lanes = sorted(lanes)
    whole, has_locks = _lock_run(run, fcntl.LOCK_SH)
    try:
        own = _describe(run)
        try:
            if not own.can_link:
                os.close(own.descriptor)
                if has_locks and _flock(whole, fcntl.LOCK_EX) is False:
                    raise HeldError(None)
                return LaneLocks(run, lanes, whole, None)
            _take_all(run, lanes, own)
        finally:
            own.path.unlink(missing_ok=True)
    except BaseException:
        os.close(whole)
        raise
    return LaneLocks(run, lanes, whole, own.descriptor)


def acquire_all(run: Path) -> LaneLocks:
    """Lock a whole run, to change what all of its lanes share.

    Raises:
        HeldError: if a lane is being trained.
        OSError: if the lock file cannot be written.
    """
    whole, _ = _lock_run(run, fcntl.LOCK_EX)
    for path in sorted((run / FOLDER).glob("*.lock")):  # of file systems without locks
        held = _holder(path)
        if held:
            os.close(whole)
            raise HeldError(None, *held)
    return LaneLocks(run, [], whole, None)


def any_held(run: Path, lanes: Iterable[Lane]) -> bool:
    """Return whether a process is training one of some lanes; nothing is written."""
    if files.is_locked(run / RUN_LOCK):  # an older version, or a file system without links
        return True
    return any(_holder(path_of(run, lane)) for lane in lanes)


def remove_dead(run: Path, lanes: Iterable[Lane]) -> None:
    """Remove the lock files that dead processes have left of some lanes."""
    for lane in lanes:
        with suppress(HeldError):
            _remove_if_dead(run, lane, None)


# --- one file for all lanes of a process ---------------------------------------------------------


class _Own:
    """The file that describes this process, before it has the names of lanes."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self.descriptor = path, descriptor

    @property
    def can_link(self) -> bool:
        """Whether the file system has hard links."""
        other = self.path.with_name(f"{self.path.name.removesuffix('.draft')}-link.draft")
        try:
            os.link(self.path, other)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            return False
        other.unlink()
        return True

    @property
    def now(self) -> float:
        """Date that the file system gives to a file that changes now."""
        os.utime(self.descriptor)
        return os.fstat(self.descriptor).st_mtime


def _describe(run: Path) -> _Own:
    path = run / FOLDER / f".locks.{files.process()}-{uuid4().hex[:8]}.draft"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        locked = _flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, Owner.this_process(flock=locked is not None).text.encode())
    except BaseException:
        os.close(descriptor)
        path.unlink(missing_ok=True)
        raise
    return _Own(path, descriptor)


def _take_all(run: Path, lanes: Iterable[Lane], own: _Own) -> None:
    taken: list[Lane] = []
    try:
        for lane in lanes:
            _take(run, lane, own)
            taken.append(lane)
    except BaseException:
        for lane in taken:
            path_of(run, lane).unlink(missing_ok=True)
        os.close(own.descriptor)
        raise


def _take(run: Path, lane: Lane, own: _Own) -> None:
    path = path_of(run, lane)
    for _ in range(10):
        try:
            os.link(own.path, path)
        except FileExistsError:
            if _is(path, own.descriptor):  # a network file system has asked twice
                return
            _remove_if_dead(run, lane, own.now)
        else:
            return
    raise HeldError(lane)


def _remove_if_dead(run: Path, lane: Lane, now: float | None) -> None:
    """Remove a lane's lock file if its owner is dead.

    Raises:
        HeldError: if it is not.
    """
    path = path_of(run, lane)
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        # While this lock is held, nobody else removes the file: two who find it do not both act.
        locked = _flock(descriptor, fcntl.LOCK_EX)
        held = _held(descriptor, None if locked is None else not locked, now)
        if held:
            raise HeldError(lane, *held)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                path.unlink()
    finally:
        os.close(descriptor)


def _holder(path: Path) -> tuple[Owner | None, float] | None:
    """Return who holds a lock file, and for how long it was silent; None if nobody does."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        locked = _flock(descriptor, fcntl.LOCK_SH, patience=0)
        return _held(descriptor, None if locked is None else not locked, None)
    finally:
        os.close(descriptor)


def _held(
    descriptor: int, locked: bool | None, now: float | None
) -> tuple[Owner | None, float] | None:
    owner = Owner.of_text(os.pread(descriptor, 10_000, 0).decode("utf-8", "replace"))
    silence = owners.seconds_since(os.fstat(descriptor).st_mtime, now)
    return (owner, silence) if owners.is_alive(owner, locked=locked, silence=silence) else None


def _beat(descriptor: int, stop: threading.Event) -> None:
    while not stop.wait(BEAT):
        with suppress(OSError):  # a disk that fails is reported by what is written
            os.utime(descriptor)
    os.close(descriptor)


# --- the lock of the run -------------------------------------------------------------------------


def _lock_run(run: Path, kind: int) -> tuple[int, bool]:
    """Return a descriptor with the lock of a run, and whether the file system has locks."""
    descriptor = os.open(run / RUN_LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    locked = _flock(descriptor, kind)
    if locked is False:
        os.close(descriptor)
        raise HeldError(None)
    return descriptor, locked is not None


def _flock(descriptor: int, kind: int, patience: float = PATIENCE) -> bool | None:
    """Try to lock a file; return whether that succeeded, None if the file system has no locks."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        except OSError as error:
            if error.errno not in files.NO_LOCKS:
                raise
            return None
        else:
            return True
