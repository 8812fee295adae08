"""Store and load probe results, together with the hashes that show whether they are up to date."""

import hashlib
import shutil
from dataclasses import astuple
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import xarray as xr

from jtdiag.errors import StoreError
from jtdiag.probing.code_hash import code_hash
from jtdiag.probing.contract import Probe
from jtdiag.store.run import Run

FOLDER = "results"
ORIGIN = ("recipe_hash", "code_hash", "seal_hash")


def origin(run: Run, probe: Probe) -> dict[str, str]:
    """Return hashes of what a result depends on: the recipe, the probe's code, the sealed epochs.

    Code that is not in a file, as in an interactive session, has an empty hash.
    """
    seals = [(lane.key, *astuple(run.seal(lane))) for lane in run.lanes]
    return {
        "recipe_hash": run.recipe_hash,
        "code_hash": code_hash(Path(probe.source), run.recipe.family),
        "seal_hash": _hash(repr(seals).encode()),
    }


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def path_of(run: Run, name: str) -> Path:
    """Return the path of a probe's stored result."""
    return run.path / FOLDER / f"{name}.zarr"


def save(run: Run, name: str, result: xr.Dataset, made_from: dict[str, str]) -> None:
    """Write a result with its origin; an older result is replaced once the new one is complete."""
    path = path_of(run, name)
    draft, old = path.with_suffix(".draft"), path.with_suffix(".old")
    for leftover in (draft, old):
        shutil.rmtree(leftover, ignore_errors=True)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    about = {"probe": name, "jtdiag": version("jtdiag"), "date": now}
    labeled = result.assign_attrs(made_from | about)
    try:
        labeled.to_zarr(draft, mode="w", zarr_format=3, consolidated=False)
        if path.exists():
            path.replace(old)
        draft.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error}.") from error
    shutil.rmtree(old, ignore_errors=True)


def load(run: Run, name: str) -> xr.Dataset:
    """Return a stored result.

    Raises:
        StoreError: if the probe has not been run on this run yet, or the result is damaged.
    """
    path = path_of(run, name)
    if not path.exists():
        raise StoreError(
            f"{run.path} has no result '{name}'. First run: jtdiag probe {run.path} {name}"
        )
    try:
        with xr.open_zarr(path, consolidated=False, chunks=None) as stored:
            return stored.load()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise StoreError(
            f"{path} is damaged ({error}). Recompute it: jtdiag probe {run.path} {name} --force"
        ) from error


def is_fresh(run: Run, probe: Probe) -> bool:
    """Return whether the stored result is up to date with the run and the probe's code.

    False if the probe's code is not in a file, since changes to it cannot be detected.
    """
    try:
        stored = load(run, probe.name).attrs
    except StoreError:
        return False
    current = origin(run, probe)
    return all(current[key] and stored.get(key) == current[key] for key in ORIGIN)
