"""Merging runs of one recipe whose lanes were trained in different folders."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jtdiag import files, names
from jtdiag.errors import StoreError
from jtdiag.recipe import toml
from jtdiag.store import checksums, lanes, trust
from jtdiag.store.check import check
from jtdiag.store.lanes import Lane
from jtdiag.store.run import RECIPE, STORE, Run
from jtdiag.store.writer import disk_errors, publish, refuse_occupied

ROOT = "zarr.json"


def merge(paths: Sequence[str | Path], out: str | Path) -> Run:
    """Copy the lanes of several runs of one recipe into a new run.

    A lane comes from the run that has begun it; it may be in several if they agree in every bit.
    Results and findings are not copied. Settings that are not those of the first run are recorded
    for each lane (`Run.settings_of`).

    Args:
        paths: Folders of the runs, two or more.
        out: Folder of the new run.

    Raises:
        StoreError: if the runs disagree, one is being trained or damaged, or the disk cannot be
            written. Nothing is written then.
    """
    runs = [Run(path) for path in paths]
    out = Path(out)
    refuse_occupied(out)
    _require_several(runs)
    for run in runs:
        _require_whole(run)
    for run in runs[1:]:
        _require_same_recipe(runs[0], run)
    sources = _sources(runs)
    files.remove_dead_drafts(out.absolute().parent, out.name)
    draft = files.draft_of(out)
    shutil.rmtree(draft, ignore_errors=True)
    try:
        with disk_errors(out):
            _copy(runs[0], sources, draft)
            files.flush(draft)
            if all(trust.is_trusted(run.path, run.recipe) for run in runs):
                trust.remember(draft, runs[0].recipe)
            publish(draft, out)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return Run(out)


# --- whether runs can be merged ------------------------------------------------------------------


def _require_several(runs: Sequence[Run]) -> None:
    different = {run.path.resolve() for run in runs}
    if len(different) < 2 or len(different) < len(runs):
        raise StoreError(
            f"{', '.join(str(run.path) for run in runs)}: merging needs two different runs or more."
        )


def _require_whole(run: Run) -> None:
    if run.training:
        raise StoreError(f"{run.path} is being trained; merge it when training has ended.")
    if not run.has_checksums:
        raise StoreError(
            f"{run.path} was made by an older version of jtdiag, without checksums of its files; "
            "it cannot be merged. Train its recipe again."
        )
    damages = check(run.path).damages
    if damages:
        raise StoreError(damages[0].reason)


def _require_same_recipe(first: Run, other: Run) -> None:
    both = f"{first.path} and {other.path}"
    changed = toml.differences(first.recipe, other.recipe)
    if changed:
        raise StoreError(
            f"{both} have different recipes; these fields differ: {', '.join(changed)}. Merge runs "
            "of one recipe."
        )
    if first.settings.get(names.FINGERPRINT) != other.settings.get(names.FINGERPRINT):
        raise StoreError(f"{both} were trained on different data. Merge runs on the same data.")
    records = [checksums.read_created(run.path) or {} for run in (first, other)]
    for record in records:
        record["metadata"].pop(ROOT)  # contains settings
    if records[0] != records[1]:
        raise StoreError(
            f"{both} were made by different versions of jtdiag, which wrote other arrays. Train "
            "one of them again."
        )


def _sources(runs: Sequence[Run]) -> dict[Lane, Run]:
    """Return the run that has begun each lane.

    Raises:
        StoreError: if several have, and their lanes are not the same.
    """
    sources: dict[Lane, Run] = {}
    for run in runs:
        for lane in run.lanes:
            if run.seal(lane).epoch < 0:
                continue
            source = sources.setdefault(lane, run)
            if source is not run and _contents(source, lane) != _contents(run, lane):
                lam = names.lam_text(run.lam(lane))
                raise StoreError(
                    f"{source.path} and {run.path} both have λ = {lam}, trial {lane.trial}, and "
                    "not the same numbers. Merge runs that have trained different lanes."
                )
    return sources


def _contents(run: Run, lane: Lane) -> dict[str, str]:
    every = (path for path in _of_lane(run.path, lane, _arrays(run)) if path.is_file())
    return {str(path.relative_to(run.path)): files.digest(path) for path in every}


# --- copying -------------------------------------------------------------------------------------


def _copy(first: Run, sources: Mapping[Lane, Run], draft: Path) -> None:
    arrays = _arrays(first)
    of_lanes = {first.path / STORE / array / "c" for array in arrays}

    def ignored(folder: str, inner: list[str]) -> list[str]:
        return [name for name in inner if Path(folder, name) in of_lanes]

    shutil.copytree(first.path / STORE, draft / STORE, ignore=ignored)
    (draft / lanes.FOLDER).mkdir()
    for name in (RECIPE, f"{lanes.FOLDER}/{checksums.CREATED}"):
        shutil.copyfile(first.path / name, draft / name)
    for lane in first.lanes:
        source = sources.get(lane, first).path
        for path in _of_lane(source, lane, arrays):
            place = draft / path.relative_to(source)
            if path.is_file():
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)
    _record_settings(first, sources, draft)


def _arrays(run: Run) -> list[str]:
    """Return the arrays that have chunks of lanes."""
    paths = [name.removesuffix(f"/{ROOT}") for name in run.metadata_files if "/" in name]
    result = []
    for path in paths:
        document = json.loads((run.path / STORE / path / ROOT).read_text("utf-8"))
        if (document.get("dimension_names") or [])[:2] == [names.LAM, names.TRIAL]:
            result.append(path)
    return result


def _of_lane(run: Path, lane: Lane, arrays: Sequence[str]) -> Iterator[Path]:
    """Yield the files and folders of a lane, without locks and drafts."""
    yield lanes.path_of(run, lane)
    for pattern in (checksums.SUFFIX, ".npz"):
        yield from (run / lanes.FOLDER).glob(f"{lane.key}-epoch*{pattern}")
    for array in arrays:
        yield from (run / STORE / array / "c" / str(lane.lam_index) / str(lane.trial)).rglob("*")


def _record_settings(first: Run, sources: Mapping[Lane, Run], draft: Path) -> None:
    """Record the settings of lanes that were not trained with those of the first run."""
    common = first.settings
    differing: dict[str, dict[str, Any]] = {}
    for lane, run in sources.items():
        own = run.settings_of(lane)
        changed = {name: own.get(name, "") for name in own | common}
        changed = {name: text for name, text in changed.items() if text != common.get(name, "")}
        if changed:
            differing[lane.key] = changed
    root = draft / STORE / ROOT
    document = json.loads(root.read_text("utf-8"))
    if differing == document["attributes"].get(names.LANE_SETTINGS, {}):
        return
    document["attributes"][names.LANE_SETTINGS] = dict(sorted(differing.items()))
    root.write_text(json.dumps(document, indent=2), encoding="utf-8")
    record = checksums.read_created(draft)
    assert record is not None
    metadata = record["metadata"] | {ROOT: files.digest(root)}
    checksums.write_created(draft, record["chunks"], metadata)
