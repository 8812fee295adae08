"""What is on the disk before what, by a shim that records every call that orders it.

A power failure may lose whatever was written since the last flush, in any order. So the data of an
epoch are flushed before the seal that names them, and the seal before what it supersedes goes.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from jtdiag import files, names
from jtdiag.recipe.toml import from_table
from jtdiag.store.lanes import Lane
from jtdiag.store.layout import Extent, Parameter
from jtdiag.store.writer import EpochBlock, Examples, RunWriter

LANE = Lane(0, 0)
SEAL = "lanes/lam0-trial0.json"


class Recorder:
    """Records writes, renames, removals and flushes below a folder, by relative path."""

    def __init__(self, folder, monkeypatch):
        self.events, self._folder = [], folder
        monkeypatch.setattr(files, "_SYNCFS", self._syncfs)
        for owner, name in ((os, "fsync"), (os, "replace"), (os, "rename"), (os, "unlink")):
            monkeypatch.setattr(owner, name, self._recording(name, getattr(owner, name)))
        real = Path.open

        def opened(path, mode="r", *arguments, **options):
            if "w" in mode or "x" in mode:
                self._record("write", path)
            return real(path, mode, *arguments, **options)

        monkeypatch.setattr(Path, "open", opened)

    def _syncfs(self, descriptor):
        self.events.append(("flush everything", ""))
        os.sync()
        return 0

    def _recording(self, name, function):
        def recorded(first, *rest, **options):
            path = rest[0] if name in ("replace", "rename") else first
            if isinstance(path, int):
                path = os.readlink(f"/proc/self/fd/{path}")
            self._record(name, path)
            return function(first, *rest, **options)

        return recorded

    def _record(self, name, path):
        path = Path(os.path.abspath(path))
        if path == self._folder or self._folder in path.parents:
            event = "rename" if name in ("replace", "rename") else name
            self.events.append((event, path.relative_to(self._folder).as_posix()))

    def place(self, event, path):
        """Return the position of the only event of its kind at a path."""
        [place] = [i for i, recorded in enumerate(self.events) if recorded == (event, path)]
        return place


@pytest.fixture
def writer(tmp_path):
    table = {
        "lam": [0],
        "data": {"name": "digits", "val": 5},
        "members": {"arch": "mlp", "count": 2},
        "train": {"epochs": 3},
        "keep": {"outputs": ["best"], "checkpoints": ["best"]},
    }
    parameters = {"bias": Parameter(shape=(3,), dims=("output",))}
    extent = Extent(examples={"train": 9, "val": 5, "test": 7}, outputs=3, parameters=parameters)
    examples = {"test": Examples(target=np.arange(7) % 3, source_index=np.arange(7))}
    made = RunWriter.create(tmp_path / "run", from_table(table), extent, examples, {})
    yield made
    made.close()


def block(epoch):
    """An epoch that is better than all before it."""
    rows = {name: np.full((3, 2), 0.5) for name in (names.MEMBER_LOSS, names.MEMBER_ERROR)}
    means = {name: np.full(3, 0.5 / (1 + epoch)) for name in ("ensemble_loss", "ensemble_error")}
    kept = epoch > 0
    return EpochBlock(
        lane=LANE,
        epoch=epoch,
        metrics=rows | means,
        outputs={"test": np.zeros((2, 7, 3), np.float32)} if kept else {},
        checkpoint={"bias": np.zeros((2, 3), np.float32)} if kept else {},
        state={"weight/bias": np.zeros((2, 3), np.float32)},
    )


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")


@pytest.mark.slow
@needs_proc
def test_no_seal_is_on_the_disk_before_its_data_and_nothing_goes_before_the_seal(
    writer, monkeypatch
):
    for epoch in (0, 1):
        writer.write(block(epoch))
        writer.forget_states([LANE], epoch)
    recorder = Recorder(writer.path, monkeypatch)
    writer.write(block(2))
    writer.forget_states([LANE], 2)
    flush, renamed = recorder.place("flush everything", ""), recorder.place("rename", SEAL)
    written = [
        path for event, path in recorder.events[:flush] if event == "rename" and path != SEAL
    ]
    chunks = {path.split("/c/")[0] for path in written if path.startswith("store.zarr")}
    assert chunks == {
        "store.zarr/outputs/test/logits",
        "store.zarr/checkpoints/bias",
        *(f"store.zarr/metrics/{name}" for name in names.METRIC_VARIABLES),
    }
    assert {"lanes/lam0-trial0-epoch2.npz", "lanes/lam0-trial0-epoch2.chunks.json"} <= {*written}
    between = [event for event, _ in recorder.events[flush + 1 : renamed]]
    assert between == ["write", "fsync"], "the draft of the seal, and no data after the flush"
    assert recorder.events[renamed + 1] == ("fsync", "lanes"), "the rename itself is on the disk"
    removed = [i for i, (event, _) in enumerate(recorder.events) if event == "unlink"]
    assert {recorder.events[i][1] for i in removed} >= {
        "lanes/lam0-trial0-epoch1.npz",
        "lanes/lam0-trial0-epoch1.chunks.json",
    }
    assert min(removed) > renamed + 1, "the older state and the older best epoch"


@pytest.mark.slow
def test_a_new_run_is_on_the_disk_before_it_appears_under_its_name(writer, tmp_path, monkeypatch):
    recorder = Recorder(tmp_path, monkeypatch)
    extent = Extent(examples={"train": 9, "val": 5, "test": 7}, outputs=3, parameters={})
    examples = {"test": Examples(target=np.arange(7) % 3, source_index=np.arange(7))}
    RunWriter.create(tmp_path / "new", writer.recipe, extent, examples, {}).close()
    flush, appears = recorder.place("flush everything", ""), recorder.place("rename", "new")
    last = max(i for i, (event, _) in enumerate(recorder.events[:appears]) if event == "rename")
    assert last < flush < appears
