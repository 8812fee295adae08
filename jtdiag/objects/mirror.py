"""Copies on this machine of runs in an object store.

A mirror is a folder that contains what was read of a run, so that whatever reads a run reads
files. Chunks of outputs and checkpoints are copied when they are read, everything else when the
run is opened, if it has changed. What is written into a mirror, such as the result of a probe, is
written to the store at once.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from jtdiag import files, printable
from jtdiag.errors import StoreError
from jtdiag.objects.object_folder import ChangedError, ObjectFolder, Version, is_address

ORIGIN = ".jtdiag-objects.json"
"""File beside a mirror: the address, and the versions of what was copied."""
PATIENCE = 600.0
"""Seconds to wait for another process that copies the same run."""
RECIPE = "recipe.toml"
LARGE = re.compile(r"store\.zarr/(outputs/[^/]+/logits|checkpoints/.+)/c/\d+/\d+/\d+(/.*)?")
"""Chunks that are copied when they are read."""
STATE = re.compile(r"lanes/[^/]+\.npz")
"""States, which only resuming reads."""
SEAL = re.compile(r"lanes/lam\d+-trial\d+\.json")
ATTEMPTS = 20
"""Times that a change is made again because another process was faster."""

Tags = dict[str, str | None]
"""What differs between two contents of an object, by its name."""

_MIRRORS: dict[Path, "Mirror"] = {}
"""The mirrors that this process has opened, by folder."""


def cache() -> Path:
    """Return the folder on this machine for what belongs to runs in object stores."""
    place = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(place) / "jtdiag" / "objects"


def is_temporary(name: str) -> bool:
    """Return whether a file is a lock or a draft, which are no part of a run."""
    last = name.rpartition("/")[2]
    return last.endswith((".lock", ".draft")) or (last.startswith(".") and ".draft" in name)


def is_copied(name: str) -> bool:
    """Return whether a file of a run is copied as soon as the run is opened."""
    return not (is_temporary(name) or LARGE.fullmatch(name) or STATE.fullmatch(name))


def local(place: str | Path, *, whole: bool = False) -> Path:
    """Return the folder of a run; of one in an object store, its mirror, brought up to date.

    Args:
        place: Address or folder.
        whole: Whether all is copied again: every chunk, and states for resuming.

    Raises:
        StoreError: if the store cannot be read, or has no run there.
    """
    if not is_address(place):
        return Path(place)
    mirror = Mirror(ObjectFolder(str(place)))
    mirror.refresh(whole=whole)
    return mirror.register().path


def of_training(objects: ObjectFolder) -> Path:
    """Return the mirror of a run that is to be trained; without a file if there is no run yet."""
    mirror = Mirror(objects)
    if objects.version(RECIPE) is not None:
        mirror.refresh()
    else:
        mirror.clear()
    return mirror.register().path


def of(path: Path) -> "Mirror | None":
    """Return the mirror that a folder is, also if another process has made it; or None."""
    if path in _MIRRORS:
        return _MIRRORS[path]
    try:
        address = json.loads((path.parent / ORIGIN).read_text("utf-8"))["address"]
    except (OSError, ValueError, KeyError):
        return None
    mirror = Mirror(ObjectFolder(address))
    if mirror.path != path:
        return None
    return mirror.register()


def publish(*paths: Path) -> None:
    """Write files and folders of mirrors to the store, in this order; others stay as they are."""
    for path in paths:
        for mirror in list(_MIRRORS.values()):
            if path.is_relative_to(mirror.path):
                mirror.publish(path)


def update(path: Path, change: Callable[[], None]) -> None:
    """Change a file, and the object that it is a copy of, even if others change it too.

    Args:
        path: The file.
        change: Changes the file; is called again if another process has changed the object.
    """
    mirrors = [mirror for folder, mirror in _MIRRORS.items() if path.is_relative_to(folder)]
    if mirrors:
        mirrors[0].update(path, change)
    else:
        change()


class Mirror:
    """A folder with the files of a run in an object store, as far as they were needed."""

    def __init__(self, objects: ObjectFolder) -> None:
        self.objects = objects
        key = hashlib.sha256(objects.place.encode()).hexdigest()[:16]
        self.path = cache() / key / objects.name
        self._origin = self.path.parent / ORIGIN

    def register(self) -> "Mirror":
        """Let this process write what is written into the folder to the store, too."""
        printable.show_as(str(self.path), self.objects.address)
        return _MIRRORS.setdefault(self.path, self)

    def clear(self) -> None:
        """Remove all copies; the folder stays."""
        with self._locked():
            shutil.rmtree(self.path, ignore_errors=True)
            self._write_tags({})
            self.path.mkdir()

    def refresh(self, *, whole: bool = False) -> None:
        """Copy what has changed, except for large chunks, and forget what was removed.

        Args:
            whole: Whether everything is copied again.

        Raises:
            StoreError: if there is no run.
        """
        if whole:
            self.clear()
        with self._locked():
            tags = self._tags()
            # Seals first: what is read after them is at least as new as they say.
            inner = self.objects.versions("lanes")
            seals = {name: inner[name] for name in inner if SEAL.fullmatch(name)}
            tags |= self._copy_changed(seals, tags)
            listed = self.objects.versions()
            if RECIPE not in listed:
                raise StoreError(
                    f"{self.objects.address} is not a run: it has no {RECIPE}. Give the address of "
                    "a run that `jtdiag train` has made."
                )
            rest = {name: listed[name] for name in listed if whole or is_copied(name)}
            tags |= self._copy_changed({n: v for n, v in rest.items() if n not in seals}, tags)
            self._forget(tags.keys() - listed.keys(), listed)
            self._write_tags({name: tag for name, tag in tags.items() if name in listed})

    def _copy_changed(self, listed: Mapping[str, Version], tags: Tags) -> Tags:
        """Copy objects whose version is not the one that was copied; return those of the copies."""
        changed = [
            name
            for name, version in listed.items()
            if not is_temporary(name)
            and (tags.get(name) != version.tag or not (self.path / name).exists())
        ]
        copied = self.objects.download(changed, self.path)
        return {name: version.tag for name, version in copied.items()}

    def _forget(self, gone: Iterable[str], listed: Mapping[str, Version]) -> None:
        """Remove the copies of objects that were removed."""
        for name in gone:
            (self.path / name).unlink(missing_ok=True)
        for path in (self.path / "store.zarr").rglob("*"):
            name = path.relative_to(self.path).as_posix()
            if LARGE.fullmatch(name) and path.is_file() and name not in listed:
                path.unlink(missing_ok=True)

    def fetch(self, names: Iterable[str]) -> None:
        """Copy files, however they are now."""
        self.objects.download(names, self.path)

    def publish(self, path: Path) -> None:
        """Write a file or folder to the store; what is no longer in the folder is removed there."""
        name = path.relative_to(self.path).as_posix()
        inner = path.rglob("*") if path.is_dir() else [path]
        names = {each.relative_to(self.path).as_posix() for each in inner if each.is_file()}
        names = {each for each in names if not is_temporary(each)}
        with self._locked():
            tags = self._tags()
            gone = {each for each in tags if f"{each}/".startswith(f"{name}/")} - names
            written = self.objects.upload(names, self.path)
            self.objects.remove(gone)
            kept = {each: tag for each, tag in tags.items() if each not in gone}
            self._write_tags(kept | {each: version.tag for each, version in written.items()})

    def update(self, path: Path, change: Callable[[], None]) -> None:
        """Change a file and its object; see `update` of this module."""
        name = path.relative_to(self.path).as_posix()
        for _ in range(ATTEMPTS):
            before = self.objects.download([name], self.path).get(name)
            if before is None:
                path.unlink(missing_ok=True)
            change()
            try:
                after = self.objects.write(name, path.read_bytes(), before)
            except ChangedError:
                continue
            with self._locked():
                self._write_tags(self._tags() | {name: after.tag})
            return
        raise StoreError(
            f"{self.objects.address}/{name}: other processes keep changing it; try again."
        )

    def _tags(self) -> Tags:
        try:
            tags: Tags = json.loads(self._origin.read_text("utf-8"))["tags"]
        except (OSError, ValueError, KeyError):
            return {}
        return tags

    def _write_tags(self, tags: Tags) -> None:
        content = {"address": self.objects.address, "tags": tags}
        files.write_atomically(self._origin, json.dumps(content))

    def _locked(self) -> AbstractContextManager[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return files.locked(self.path.parent / "mirror.lock", PATIENCE)
