"""Store and load probe results, together with the hashes that show whether they are up to date."""

import hashlib
import json
import shutil
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import astuple
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import xarray as xr
from zarr.abc.buffer import Buffer
from zarr.errors import ZarrUserWarning
from zarr.storage import MemoryStore

from jtdiag import files
from jtdiag.errors import StoreError
from jtdiag.objects import mirror
from jtdiag.printable import shell_word
from jtdiag.probing import lane_states, result_seal, wording
from jtdiag.probing.code_hash import code_hash
from jtdiag.probing.description import ProbeDescription
from jtdiag.store.run import Run

FOLDER = result_seal.FOLDER
LOCK = "results.lock"
"""Locked by the process that replaces a result; the lock of a dead process is released."""
PATIENCE = 30.0
"""Seconds to wait for other processes that are replacing results, which takes milliseconds."""
ROOM = 4 * 2**20
"""Bytes that must be free before a probe measures; most results take less."""
LEFT_OUT = "left_out"
"""Attribute of a result that names the lanes that diverged and are not in it."""
ORIGIN = ("recipe_hash", "code_hash", "seal_hash")
_Read = TypeVar("_Read")
"""What is read of a stored result: all of it, or its attributes."""


class NotSavedError(StoreError):
    """A result was measured and cannot be written.

    Args:
        message: What is wrong.
        result: The result.
    """

    def __init__(self, message: str, result: xr.Dataset) -> None:
        super().__init__(message)
        self.result = result


def origin(run: Run, probe: ProbeDescription) -> dict[str, str]:
    """Return hashes of what a result depends on: the recipe, the probe's code, the sealed epochs.

    Code that is not in a file, as in an interactive session, has an empty hash.
    """
    seals = [(lane.key, *astuple(run.seal(lane))) for lane in run.lanes]
    return {
        "recipe_hash": run.recipe_hash,
        "code_hash": _code_hash(run, probe),
        "seal_hash": _hash(repr(seals).encode()),
        LEFT_OUT: ""
        if probe.every_lane
        else " ".join(lane.key for lane in lane_states.diverged(run)),
    }


def _code_hash(run: Run, probe: ProbeDescription) -> str:
    """Return the hash of a probe's code and settings; empty if its code is not in a file."""
    code = code_hash(Path(probe.source), run.recipe.family)
    return _hash(f"{code} {probe.settings}".encode()) if code and probe.settings else code


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def path_of(run: Run, name: str) -> Path:
    """Return the path of a probe's stored result."""
    return run.path / FOLDER / f"{name}.zarr"


def require_folder(run: Path) -> None:
    """Check that no file is where a run's results should be.

    Raises:
        StoreError: if there is one.
    """
    folder = run / FOLDER
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder} is not a folder of results; remove it or move it elsewhere.")


def save(
    run: Run,
    name: str,
    result: xr.Dataset,
    made_from: dict[str, str],
    before_seal: Callable[[], None] = lambda: None,
) -> None:
    """Write a result with its origin; an older result is replaced once the new one is complete.

    Safe to call from several processes: each writes a draft of its own, and the last one stays.

    Args:
        run: The run.
        name: Name of the probe.
        result: The result.
        made_from: What it was made from, as `origin` returns it.
        before_seal: Called when the result is written, before it is sealed: if the process is
            killed in between, the result is measured again.

    Raises:
        NotSavedError: if it cannot be written.
    """
    path = path_of(run, name)
    draft, old = (path.with_name(f".{path.name}.{_unique()}.draft") for _ in range(2))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    about = {"probe": name, "jtdiag": version("jtdiag"), "date": now, "format": result_seal.FORMAT}
    labeled = result.assign_attrs(made_from | about)
    try:
        path.parent.mkdir(exist_ok=True)
        _write(draft, labeled)
        with files.locked(run.path / LOCK, PATIENCE):
            result_seal.remove(path)
            if path.exists():
                path.replace(old)
            draft.replace(path)
            before_seal()
            result_seal.write(path)
        mirror.publish(path, result_seal.path_of(path))
    except OSError as error:
        raise NotSavedError(
            f"{path}: cannot be written: {error}. The result and its findings are not saved.",
            result,
        ) from error
    finally:
        for leftover in (draft, old):
            _remove(leftover)


def _write(folder: Path, result: xr.Dataset) -> None:
    """Write a result as Zarr; by way of memory, which takes half as long as writing each file."""
    content: dict[str, Buffer] = {}
    result.to_zarr(MemoryStore(content), mode="w", zarr_format=3, consolidated=False)
    for name, buffer in content.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(buffer.to_bytes())


def require_room(run: Run) -> None:
    """Check that results can be written, before hours may be spent on measuring one.

    Raises:
        StoreError: if they cannot.
    """
    folder = run.path / FOLDER
    draft = folder / f".room.{_unique()}.draft"
    try:
        folder.mkdir(exist_ok=True)
        draft.write_bytes(bytes(ROOM))
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be written: {error.strerror}. Nothing was measured."
        ) from error
    finally:
        _remove(draft)


def remove_drafts(run: Run) -> None:
    """Remove what killed processes have left of results and findings; never raises an OSError."""
    for folder in (run.path, run.path / FOLDER):
        with suppress(OSError):  # a run that may only be read
            files.remove_dead_drafts(folder)


def _unique() -> str:
    return f"{files.process()}-{uuid4().hex[:8]}"


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):  # missing, or on a disk that only allows reading
            path.unlink()


def remove(path: Path) -> None:
    """Remove a stored result and its seal.

    Args:
        path: The result, ``results/<probe>.zarr`` in a run's folder.
    """
    result_seal.remove(path)
    _remove(path)
    mirror.publish(result_seal.path_of(path), path)


def load(run: Run, name: str) -> xr.Dataset:
    """Return a stored result whose files are those that its seal lists.

    Raises:
        StoreError: if the probe has not been run on this run yet, or the result is damaged.
    """
    return _stored(run, name, _dataset)


def _stored(run: Run, name: str, read: Callable[[Path], _Read]) -> _Read:
    """Return what a function reads of a result, which no other process replaces meanwhile."""
    require_folder(run.path)
    path = path_of(run, name)
    before = result_seal.identity(path)
    try:
        outcome: _Read | StoreError = _sealed(run, name, read)
    except StoreError as error:
        outcome = error
    # Another process that replaces a result removes the seal first.
    if files.is_locked(run.path / LOCK) or result_seal.identity(path) != before:
        with files.locked(run.path / LOCK, PATIENCE):
            return _sealed(run, name, read)
    if isinstance(outcome, StoreError):
        raise outcome
    return outcome


def _sealed(run: Run, name: str, read: Callable[[Path], _Read]) -> _Read:
    path = path_of(run, name)
    if not path.exists():
        if lane_states.all_diverged(run):
            raise StoreError(wording.no_lane_left(name, run.path, lane_states.sealed(run)))
        raise StoreError(
            f"{run.path} has no result '{name}'. First run: jtdiag probe "
            f"{shell_word(run.path)} {name}"
        )
    try:
        result_seal.verify(path)
        return read(path)
    except StoreError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, ZarrUserWarning) as error:
        raise StoreError(
            f"{path} is damaged ({error}). Recompute it: jtdiag probe {shell_word(run.path)} "
            f"{name} --force"
        ) from error


def _dataset(path: Path) -> xr.Dataset:
    with warnings.catch_warnings():
        # zarr warns of a variable that has just been removed by another process.
        warnings.simplefilter("error", ZarrUserWarning)
        with xr.open_zarr(path, consolidated=False, chunks=None) as stored:
            result = stored.load()
    _require_probe(path, result.attrs)
    return result


def _attributes(path: Path) -> dict[str, Any]:
    """Return the attributes of a result alone, which is a hundred times as fast as all of it."""
    document = json.loads((path / "zarr.json").read_text("utf-8"))
    attributes: dict[str, Any] = document["attributes"]
    _require_probe(path, attributes)
    return attributes


def _require_probe(path: Path, attributes: Mapping[str, Any]) -> None:
    if attributes.get("probe", path.stem) != path.stem:
        raise ValueError(f"it is the result of {attributes['probe']}")


def is_fresh(run: Run, probe: ProbeDescription) -> bool:
    """Return whether the stored result is up to date with the run and the probe's code.

    False if the probe's code is not in a file, since changes to it cannot be detected.
    """
    require_folder(run.path)
    try:
        stored = _stored(run, probe.name, _attributes)
    except StoreError:
        return False
    if stored.get("format") != result_seal.FORMAT:  # of an older version: without a seal
        return False
    current = origin(run, probe)
    if stored.get(LEFT_OUT, "") != current[LEFT_OUT]:  # of an older version: none was left out
        return False
    return all(current[key] and stored.get(key) == current[key] for key in ORIGIN)
