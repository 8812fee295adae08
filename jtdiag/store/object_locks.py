"""Locks of lanes of a run in an object store.

The lock of a lane is an object beside its seal, which says who holds it. It is written on condition
that there is none, or that it is still that of the dead process it was. A process has one more
object, which it writes again as a heartbeat, so that the number of its lanes does not matter.
"""

import json
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from uuid import uuid4

from jtdiag import files
from jtdiag.errors import StoreError
from jtdiag.objects.object_folder import ChangedError, ObjectFolder, Version
from jtdiag.store import owners
from jtdiag.store.lane_locks import BEAT, RUN_LOCK, HeldError
from jtdiag.store.lanes import FOLDER, Lane
from jtdiag.store.owners import Owner

ATTEMPTS = 10
"""Times that a lock is tried for, if others change it at the same time."""


def name_of(lane: Lane | None) -> str:
    """Return the name of a lane's lock, or of that of a run that is being created."""
    return RUN_LOCK if lane is None else f"{FOLDER}/{lane.key}.lock"


class ObjectLocks:
    """The locks that this process holds of lanes of a run, until they are released."""

    def __init__(self, objects: ObjectFolder) -> None:
        self._objects = objects
        self._beat = f"{FOLDER}/{files.process()}-{uuid4().hex[:8]}.heartbeat.lock"
        self._held: dict[Lane | None, Version] = {}
        self._stop: threading.Event | None = None
        self._last_beat = 0.0

    def take(self, lanes: Iterable[Lane | None]) -> None:
        """Take the locks of lanes, all of them or none; None stands for the run as a whole.

        Raises:
            HeldError: if another process that may be alive holds one.
            StoreError: if the store cannot be written.
        """
        self._begin()
        taken: list[Lane | None] = []
        try:
            for lane in lanes:
                self._held[lane] = self._take(lane)
                taken.append(lane)
        except BaseException:
            self.release(taken)
            raise

    def require(self, lane: Lane) -> None:
        """Check that a lane's lock is still held.

        Raises:
            StoreError: if another process has taken it, since this one was silent for too long.
        """
        version = self._objects.version(name_of(lane))
        if version is None or version.tag != self._held[lane].tag:
            raise StoreError(
                f"{self._objects.address}/{name_of(lane)}: another process has taken this lock, "
                f"since this one was not heard of for {owners.SILENT:g} s; training has ended here."
            )

    def release(self, lanes: Iterable[Lane | None]) -> None:
        """Release the locks of some lanes. If others may have taken them, they are left."""
        held = [lane for lane in lanes if self._held.pop(lane, None) is not None]
        if time.monotonic() - self._last_beat < owners.SILENT - BEAT:
            self._objects.remove(map(name_of, held))

    def close(self) -> None:
        """Release all locks and end the heartbeat."""
        if self._stop is None:
            return
        self._stop.set()
        self._stop = None
        with suppress(StoreError):  # others take them when this process is silent
            self.release([*self._held])
            self._objects.remove([self._beat])

    def _begin(self) -> None:
        if self._stop is None:
            self._write_beat()
            self._stop = threading.Event()
            threading.Thread(target=self._go_on, args=(self._stop,), daemon=True).start()

    def _write_beat(self) -> None:
        now = time.monotonic()
        self._objects.overwrite(self._beat, Owner.this_process(flock=False).text.encode())
        self._last_beat = now

    def _go_on(self, stop: threading.Event) -> None:
        while not stop.wait(BEAT):
            with suppress(StoreError):  # a store that fails is reported by what is written
                self._write_beat()

    def _take(self, lane: Lane | None) -> Version:
        name = name_of(lane)
        owner = asdict(Owner.this_process(flock=False))
        content = json.dumps({"owner": owner, "beat": self._beat}).encode()
        for _ in range(ATTEMPTS):
            stored = self._objects.read(name)
            if stored is not None:
                self._refuse_held(lane, stored[0])
            with suppress(ChangedError):
                version = self._objects.write(name, content, stored and stored[1])
                if stored is not None:
                    self._objects.remove(_beat_of(stored[0]))
                return version
        raise HeldError(lane)

    def _refuse_held(self, lane: Lane | None, content: bytes) -> None:
        """Raise an error if the owner of a lock may be alive, by the clock of the store."""
        self._write_beat()
        own = self._objects.version(self._beat)
        held = _holder(self._objects, content, time.time() if own is None else own.modified)
        if held is not None:
            raise HeldError(lane, *held)


def any_held(objects: ObjectFolder, lanes: Iterable[Lane]) -> bool:
    """Return whether a process is training one of some lanes."""
    names = objects.versions(FOLDER)
    locks = [objects.read(name) for name in map(name_of, lanes) if name in names]
    return any(lock is not None and _holder(objects, lock[0], time.time()) for lock in locks)


def _holder(objects: ObjectFolder, content: bytes, now: float) -> tuple[Owner | None, float] | None:
    """Return who holds a lock, and for how long it was silent; None if nobody does."""
    owner = _owner(content)
    beats = [objects.version(name) for name in _beat_of(content)]
    if not beats:
        return None  # damaged: whoever wrote it does not find it any more
    [beat] = beats
    silence = owners.SILENT if beat is None else owners.seconds_since(beat.modified, now)
    return (owner, silence) if owners.is_alive(owner, locked=None, silence=silence) else None


def _owner(content: bytes) -> Owner | None:
    with suppress(ValueError, TypeError, KeyError):
        return Owner(**json.loads(content)["owner"])
    return None


def _beat_of(content: bytes) -> list[str]:
    """Return the name of the heartbeat of a lock's owner; none if the lock is damaged."""
    with suppress(ValueError, TypeError, KeyError):
        return [str(json.loads(content)["beat"])]
    return []
