"""Logits, targets and metrics by split, from .npy and .npz files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.engine.datasets import archive
from jtdiag.engine.datasets.arrays import located
from jtdiag.errors import DataError
from jtdiag.monitor import wording

LOGITS: Final = "logits"
TARGETS: Final = "targets"
METRICS: Final = "metrics"
NAMES: Final = {
    **{split: (split, LOGITS) for split in names.SPLITS},
    **{f"{s}_{kind}": (s, kind) for s in names.SPLITS for kind in (LOGITS, TARGETS, METRICS)},
    **{kind: (names.TEST, kind) for kind in (LOGITS, TARGETS, METRICS)},
}
"""Split and kind of each array in an .npz file, by its name."""

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class SavedArrays:
    """Arrays of an ensemble by split, unchecked."""

    logits: dict[str, list[Array]] = field(default_factory=dict)
    """One array, or one (N, K) for each member."""
    targets: dict[str, Array] = field(default_factory=dict)
    metrics: dict[str, Array] = field(default_factory=dict)

    def stacked(self) -> dict[str, Array]:
        """Return logits by split, those of several members in one array (M, N, K).

        Raises:
            DataError: if several files are not one of each member.
        """
        return {split: _stacked(split, arrays) for split, arrays in self.logits.items()}


def read(files: Sequence[str], targets: Sequence[str], metrics: Sequence[str]) -> SavedArrays:
    """Return the arrays of files, which are paths, or SPLIT=PATH; the split is test by default.

    Args:
        files: Logits in .npy files; .npz files may contain targets and metrics too.
        targets: .npy files.
        metrics: .npy files.

    Raises:
        DataError: if a file cannot be read, has no array with a known name, or two contain the
            targets or metrics of the same split.
    """
    saved = SavedArrays()
    for kind, paths in ((LOGITS, files), (TARGETS, targets), (METRICS, metrics)):
        for split, path in map(_split_and_path, paths):
            _add(saved, split, kind, path)
    return saved


def _split_and_path(text: str) -> tuple[str, Path]:
    split, equals, path = text.partition("=")
    return (split, Path(path)) if equals and split in names.SPLITS else (names.TEST, Path(text))


def _add(saved: SavedArrays, split: str, kind: str, path: Path) -> None:
    """Add what a file contains."""
    if path.suffix != ".npz":
        arrays: Iterable[tuple[tuple[str, str], Array]] = [((split, kind), _npy(path))]
    else:
        with located(path):
            stored, available = archive.read(path, {name: name for name in NAMES})
            if not stored:
                raise DataError(wording.no_known_array(available))
        arrays = [(NAMES[name], array) for name, array in stored.items()]
    for (of_split, of_kind), array in arrays:
        if of_kind == LOGITS:
            saved.logits.setdefault(of_split, []).append(array)
            continue
        by_split = saved.targets if of_kind == TARGETS else saved.metrics
        if of_split in by_split:
            raise DataError(wording.given_twice(of_kind, of_split))
        by_split[of_split] = array


def _npy(path: Path) -> Array:
    """Return the array in an .npy file, which is not larger than its header says."""
    if not path.exists():
        raise DataError(wording.no_file(str(path)))
    if not path.is_file():
        raise DataError(wording.not_a_file(str(path)))
    try:
        return np.array(np.load(path, mmap_mode="r", allow_pickle=False))
    except Exception as error:  # numpy raises many kinds for files that are no .npy
        has_objects = "Python objects" in str(error)
        message = (wording.objects_in_npy if has_objects else wording.no_npy)(str(path))
        raise DataError(message) from error


def _stacked(split: str, arrays: list[Array]) -> Array:
    if len(arrays) == 1:
        return arrays[0]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1 or arrays[0].ndim != 2:
        raise DataError(wording.not_one_of_each(split, sorted(shapes)))
    return np.stack(arrays)
