"""Results on disk: what a probe measured, and from what, so that a stale one can be told."""

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
    """Return what a result depends on: the recipe, the probe's code, and the sealed epochs.

    Code that lies in no file, as that of an interactive session, has an empty hash.
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
    """Return where a probe's result lies."""
    return run.path / FOLDER / f"{name}.zarr"


def save(run: Run, name: str, result: xr.Dataset, made_from: dict[str, str]) -> None:
    """Write a result with its origin; an older one is replaced only when the new one is whole."""
    path = path_of(run, name)
    draft, old = path.with_suffix(".draft"), path.with_suffix(".old")
    for leftover in (draft, old):
        shutil.rmtree(leftover, ignore_errors=True)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    about = {"probe": name, "jtdiag": version("jtdiag"), "date": now}
    labelled = result.assign_attrs(made_from | about)
    try:
        labelled.to_zarr(draft, mode="w", zarr_format=3, consolidated=False)
        if path.exists():
            path.replace(old)
        draft.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error}.") from error
    shutil.rmtree(old, ignore_errors=True)


def load(run: Run, name: str) -> xr.Dataset:
    """Return a stored result.

    Raises:
        StoreError: if the probe has not been asked yet.
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
            f"{path} is damaged ({error}). Make it again: jtdiag probe {run.path} {name} --force"
        ) from error


def is_fresh(run: Run, probe: Probe) -> bool:
    """Tell whether the stored result is what the probe would measure again.

    Never where the probe's code lies in no file: then nobody can tell whether it has changed.
    """
    try:
        stored = load(run, probe.name).attrs
    except StoreError:
        return False
    now = origin(run, probe)
    return all(now[key] and stored.get(key) == now[key] for key in ORIGIN)
