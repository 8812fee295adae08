"""Checking a run with its results and findings, and repairing it."""

from dataclasses import dataclass
from pathlib import Path

from jtdiag import files
from jtdiag.engine.progress import Listener
from jtdiag.errors import JtdiagError, StoreError
from jtdiag.objects import mirror
from jtdiag.printable import shell_word
from jtdiag.probing import findings, result_seal, results
from jtdiag.probing.running import record_lost
from jtdiag.recipe import toml
from jtdiag.store import lanes
from jtdiag.store.check import (
    Damage,
    Report,
    check as check_store,
    damaged_lanes,
    mark_damaged,
    stored_recipe,
)
from jtdiag.store.formats import NewerFormatError
from jtdiag.store.lanes import Seal
from jtdiag.store.run import RECIPE, Run
from jtdiag.store.writer import disk_errors


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The outcome of checking a run."""

    path: Path
    store: Report
    results: int
    """Number of stored results."""
    others: tuple[Damage, ...]
    """Damage of results and findings, which can be measured again."""

    @property
    def damages(self) -> tuple[Damage, ...]:
        """All damage."""
        return (*self.store.damages, *self.others)

    @property
    def intact(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damages


def check(path: str | Path) -> Checked:
    """Compare every file of a run with the checksums that were recorded; change nothing.

    Args:
        path: Folder or address of the run. It may be training: what is not sealed yet is left out.

    Raises:
        StoreError: if the folder is not a run.
    """
    path = mirror.local(path)
    store = check_store(path)
    stored = sorted((path / results.FOLDER).glob("*.zarr"))
    others = [damage for result in stored for damage in _result(result)]
    others += [*_no_folder(path), *_findings(path)]
    return Checked(path=path, store=store, results=len(stored), others=tuple(others))


def _result(path: Path) -> list[Damage]:
    try:
        result_seal.verify(path)
    except NewerFormatError:
        raise
    except (OSError, ValueError) as error:
        return [Damage(reason=f"{path}: {error}.", variable=f"{results.FOLDER}/{path.stem}")]
    return []


def _no_folder(run: Path) -> list[Damage]:
    try:
        results.require_folder(run)
    except StoreError as error:
        return [Damage(reason=str(error), variable=results.FOLDER)]
    return []


def _findings(run: Path) -> list[Damage]:
    try:
        findings.read(run)
    except NewerFormatError:
        raise
    except JtdiagError as error:
        return [Damage(reason=str(error), variable=findings.LOG)]
    return []


def repair(checked: Checked, listener: Listener | None = None) -> Checked:
    """Repair a run and check it again.

    A recipe that is damaged, or was edited, is written again from the copy in the store. Damaged
    results are removed; the next `jtdiag probe` measures them again. Damaged findings are
    written again from the results. Damaged lanes are trained again from the beginning: with the
    same recipe and seed they are what they were. If the run was recorded from another training
    loop, epochs whose outputs or checkpoints are damaged are marked as not kept instead.

    Raises:
        StoreError: if what all lanes share is damaged, or the seal or metrics of a recorded lane;
            that cannot be repaired.
        JtdiagError: if the run is being trained, or its data or members are not available.
    """
    if mirror.of(checked.path) is not None:
        raise StoreError(
            f"{checked.path}: a run in an object store is not repaired. Copy it into a folder, and "
            "repair it there."
        )
    if any(damage.variable == RECIPE for damage in checked.store.damages):
        return repair(_with_recipe(checked), listener)
    _require_repairable(checked)
    with disk_errors(checked.path):
        for damage in checked.others:
            _remove_result(checked.path, damage.variable)
        if damaged_lanes(checked.store):
            if Run(checked.path).recorded:
                _require_markable(checked)
                mark_damaged(checked.path, checked.store)
            else:
                _train_again(checked, listener)
        record_lost(Run(checked.path))
    return check(checked.path)


def _with_recipe(checked: Checked) -> Checked:
    """Write the recipe again from the copy that the store contains, and check the rest."""
    with disk_errors(checked.path):
        files.write_atomically(checked.path / RECIPE, stored_recipe(checked.path) or "")
    return check(checked.path)


def _require_repairable(checked: Checked) -> None:
    shared = [damage for damage in checked.store.damages if damage.lane is None]
    if shared:
        raise StoreError(
            f"{checked.path} cannot be repaired, since all lanes depend on what is damaged. "
            "Restore the folder from a backup, or train again in another folder: "
            f"jtdiag train {shell_word(checked.path / RECIPE)} --out FOLDER"
        )


def _require_markable(checked: Checked) -> None:
    for damage in checked.store.damages:
        if damage.epoch is None:
            raise StoreError(
                f"{checked.path} cannot be repaired: it was recorded from another training loop, "
                f"so lane {damage.lane.key if damage.lane else ''} cannot be trained again, and "
                f"without its {damage.variable} no epoch of it can be read. Restore the folder "
                "from a backup."
            )


def _remove_result(path: Path, variable: str) -> None:
    if variable == findings.LOG:
        (path / findings.LOG).unlink(missing_ok=True)
    else:
        results.remove(path / f"{variable}.zarr")


def _train_again(checked: Checked, listener: Listener | None) -> None:
    from jtdiag.engine.train import train  # imports torch, which checking does not need

    if Run(checked.path).training:
        raise StoreError(f"{checked.path} is being trained; repair it when training has ended.")
    for lane in damaged_lanes(checked.store):
        lanes.write_seal(checked.path, lane, Seal())  # all its epochs are removed on resuming
    train(toml.read(checked.path / RECIPE), checked.path, resume=True, listener=listener)
