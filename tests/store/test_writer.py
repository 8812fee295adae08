import errno
import os
import re
import shutil
import threading
import tomllib
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import zarr

from jtdiag import files, names
from jtdiag.errors import StoreError
from jtdiag.recipe import toml
from jtdiag.recipe.toml import from_table
from jtdiag.store import checksums, lanes, writer as store_writer
from jtdiag.store.lanes import Lane
from jtdiag.store.layout import Extent, Parameter, TargetFacts
from jtdiag.store.run import Run
from jtdiag.store.states import epochs, path_of
from jtdiag.store.writer import EpochBlock, Examples, OccupiedError, RunWriter

EXTENT = Extent(
    examples={"train": 9, "val": 5, "test": 7},
    outputs=3,
    parameters={
        "layer1.weight": Parameter(shape=(3, 2), dims=("output", "input")),
        "layer1.bias": Parameter(shape=(3,), dims=("output",)),
    },
)
HELD_OUT = np.arange(10, 20).reshape(2, 5)
EXAMPLES = {
    "val": Examples(target=HELD_OUT % 3, source_index=HELD_OUT),
    "test": Examples(target=np.arange(7) % 3, source_index=np.arange(7)),
}
FIRST, SECOND = Lane(0, 0), Lane(0, 1)
VAL_ERROR = [0.9, 0.5, 0.25, 0.75, 0.25, 0.5]
"""Of epochs 0 to 5: epoch 2 is the best of all, and each of the first two is the best so far."""


def recipe(epochs=5, val=5, **keep):
    return from_table(
        {
            "lam": [0, 1],
            "trials": 2,
            "data": {"name": "digits", "val": val},
            "members": {"arch": "mlp", "count": 2},
            "train": {"epochs": epochs},
            "keep": {"splits": ["val", "test"], "dtype": "float64", **keep},
            "engine": {"precision": "float64"},
        }
    )


def block(lane, epoch, made):
    """Numbers that tell lane, epoch and place apart."""
    random = np.random.default_rng([lane.trial, lane.lam_index, epoch])
    count = len(made.splits)
    error = random.random(count)
    if names.VAL in made.splits:
        error[1] = VAL_ERROR[epoch]
    return EpochBlock(
        lane=lane,
        epoch=epoch,
        metrics={
            names.MEMBER_LOSS: random.random((count, 2)),
            names.MEMBER_ERROR: random.random((count, 2)),
            names.ENSEMBLE_LOSS: random.random(count),
            names.ENSEMBLE_ERROR: error,
        },
        outputs={split: random.random((2, EXTENT.examples[split], 3)) for split in ("val", "test")},
        checkpoint={n: random.random((2, *p.shape)) for n, p in EXTENT.parameters.items()},
        state={"weight/a": random.random(4), "memory/velocity/a": random.random(4)},
    )


@pytest.fixture
def create(tmp_path):
    """Return a function that begins a run; every writer is closed when the test ends."""
    made = []

    def begin(path=tmp_path / "run", **keep):
        made.append(RunWriter.create(path, recipe(**keep), EXTENT, EXAMPLES, {"device": "cpu"}))
        return made[-1]

    yield begin
    for writer in made:
        writer.close()


def write(writer, lane, epochs):
    for epoch in epochs:
        writer.write(block(lane, epoch, writer.recipe))


def written(writer, epochs):
    """Write epochs of the first lane as the engine does: only what will be kept."""
    for epoch in epochs:
        after = writer.seal(FIRST).after(epoch, VAL_ERROR[epoch], writer.recipe)
        given = vars(block(FIRST, epoch, writer.recipe))
        keeps = {
            "outputs": given["outputs"] if epoch in after.outputs else {},
            "checkpoint": given["checkpoint"] if epoch in after.checkpoints else {},
        }
        writer.write(EpochBlock(**{**given, **keeps}))


def chunks(path, kind):
    """Epochs of which the first lane has chunks on disk, by array."""
    names_of_arrays = {"outputs": ["val/logits", "test/logits"], "checkpoints": EXTENT.parameters}
    folders = [path / "store.zarr" / kind / name / "c/0/0" for name in names_of_arrays[kind]]
    return {
        str(folder): {int(epoch.name) for epoch in folder.iterdir()}
        for folder in folders
        if folder.exists()
    }


def contents(path):
    """Every file of a run but locks and the states, which only resuming needs."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and file.suffix not in (".npz", ".lock")
    }


# --- making a run --------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_new_run_holds_its_recipe_and_no_epoch(create):
    writer = create()
    run = Run(writer.path)
    assert run.recipe == writer.recipe
    assert {run.seal(lane).epoch for lane in run.lanes} == {-1}
    assert run.outputs_per_member == 3
    assert run.target("val", Lane(1, 0)).tolist() == EXAMPLES["val"].target[1].tolist()
    assert run.target("test", Lane(1, 0)).tolist() == EXAMPLES["test"].target.tolist()
    assert run.array("outputs/val/source_index")[...].tolist() == HELD_OUT.tolist()


@pytest.mark.slow
def test_the_store_says_what_it_is(create):
    writer = create()
    store = zarr.open_group(writer.path / "store.zarr", mode="r")
    assert toml.from_table(tomllib.loads(store.attrs["recipe"])) == writer.recipe
    assert store.attrs["settings"] == {"device": "cpu"}
    for name, array in store["metrics"].arrays():
        if array.ndim > 1:
            assert array.attrs["unit"] in ("nat", "1"), name
            assert array.attrs["meaning"], name


@pytest.mark.slow
@pytest.mark.parametrize("what", ["file", "folder", "run"])
def test_what_is_in_the_way_is_refused(create, tmp_path, what):
    path = tmp_path / "there"
    if what == "file":
        path.write_text("mine")
    elif what == "folder":
        path.mkdir()
        (path / "mine.txt").write_text("mine")
    else:
        create(path).close()
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(
        StoreError, match="already contains a run" if what == "run" else "not empty"
    ):
        create(path)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


@pytest.mark.slow
def test_an_empty_folder_is_not_in_the_way(create, tmp_path):
    (tmp_path / "run").mkdir()
    assert create().seal(FIRST).epoch == -1


@pytest.mark.slow
def test_a_run_appears_under_its_name_only_when_it_is_whole(create, tmp_path, monkeypatch):
    class KilledError(Exception):
        pass

    def killed(*_):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(zarr, "consolidate_metadata", killed)
        with pytest.raises(KilledError):
            create()
    assert not (tmp_path / "run").exists()
    writer = create()  # what was left behind is not in the way
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    write(writer, FIRST, [0])


@pytest.mark.slow
def test_what_a_killed_process_of_the_same_number_left_behind_is_not_in_the_way(create, tmp_path):
    """In a container, processes have the same few numbers again and again."""
    for name in (f".run.{os.getpid()}.draft", f".run.{files.process()}.draft", "run.draft"):
        (tmp_path / name / "lanes").mkdir(parents=True)
        (tmp_path / name / "store.zarr").mkdir()
    assert create().seal(FIRST).epoch == -1


# --- writing and sealing -------------------------------------------------------------------------


@pytest.mark.slow
def test_what_was_written_is_read_back(create):
    writer = create()
    for lane in lanes.lanes_of(writer.recipe):
        write(writer, lane, range(6))
    run = Run(writer.path)
    assert run.done
    metrics = run.metrics()
    for lane in run.lanes:
        for epoch in range(6):
            given = block(lane, epoch, writer.recipe)
            at = {"lam": lane.lam_index, "trial": lane.trial, "epoch": epoch}
            for name, values in given.metrics.items():
                assert np.array_equal(metrics[name].isel(at), values), name
            for split, logits in given.outputs.items():
                [found] = run.outputs(lane, epoch, split)
                assert np.array_equal(found.logits, logits)
                target = EXAMPLES[split].target
                target = target[lane.trial] if split == "val" else target
                assert np.array_equal(found.target, target)
            found = run.checkpoint(lane, epoch)
            assert found.keys() == given.checkpoint.keys()
            assert all(np.array_equal(found[n], w) for n, w in given.checkpoint.items())
            assert run.seal(lane).epoch == 5


@pytest.mark.slow
def test_lanes_may_be_written_in_any_order(create, tmp_path):
    one, two = create(), create(tmp_path / "two")
    write(one, FIRST, range(6))
    write(one, SECOND, range(6))
    for epoch in range(6):
        write(two, SECOND, [epoch])
        write(two, FIRST, [epoch])
    assert contents(one.path) == contents(two.path)


@pytest.mark.slow
def test_an_epoch_must_follow_the_seal(create):
    writer = create()
    write(writer, FIRST, [0])
    with pytest.raises(StoreError, match="lam0-trial0: epochs up to 0 are sealed; epoch 2 cannot"):
        write(writer, FIRST, [2])
    with pytest.raises(
        StoreError, match="epochs up to -1 are sealed; epoch 1 cannot be written before epoch 0"
    ):
        write(writer, SECOND, [1])
    write(writer, FIRST, [1])
    assert (writer.seal(FIRST).epoch, writer.seal(SECOND).epoch) == (1, -1)


@pytest.mark.slow
def test_a_sealed_epoch_is_passed_over(create):
    writer = create()
    write(writer, FIRST, [0, 1])
    before = contents(writer.path)
    other = block(SECOND, 1, writer.recipe)
    writer.write(EpochBlock(**{**vars(other), "lane": FIRST}))
    assert contents(writer.path) == before


class CutError(Exception):
    pass


def interrupted(*_):
    raise CutError


@pytest.mark.slow
@pytest.mark.parametrize("before", ["_write_arrays", "_write_state", "write_seal"])
def test_the_seal_is_written_last(create, monkeypatch, before):
    writer = create()
    write(writer, FIRST, [0])
    owner = lanes if before == "write_seal" else RunWriter
    monkeypatch.setattr(owner, before, interrupted)
    with pytest.raises(CutError):
        write(writer, FIRST, [1])
    assert Run(writer.path).seal(FIRST).epoch == 0
    assert writer.seal(FIRST).epoch == 0


RULES = [
    ("all", [{0}, {0, 1}, {0, 1, 2}, {0, 1, 2, 3}, {0, 1, 2, 3, 4}, {0, 1, 2, 3, 4, 5}]),
    ([0, 3], [{0}, {0}, {0}, {0, 3}, {0, 3}, {0, 3}]),
    (["best"], [set(), {1}, {2}, {2}, {2}, {2}]),
    (["last"], [set(), set(), set(), set(), set(), {5}]),
    ([1, "best", "last"], [set(), {1}, {1, 2}, {1, 2}, {1, 2}, {1, 2, 5}]),
]


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "expected"), RULES, ids=lambda x: str(x)[:20])
@pytest.mark.parametrize("kind", ["outputs", "checkpoints"])
def test_on_disk_lies_what_the_rule_keeps_and_no_more(create, kind, rule, expected):
    writer = create(**{kind: rule})
    for epoch, kept in enumerate(expected):
        written(writer, [epoch])
        assert set(getattr(Run(writer.path).seal(FIRST), kind)) == kept
        arrays = chunks(writer.path, kind)
        assert len(arrays) == 2 or not kept
        assert all(found == kept for found in arrays.values())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["outputs", "checkpoints"])
def test_where_nothing_is_kept_nothing_is_made(create, kind):
    writer = create(**{kind: "none"})
    written(writer, range(6))
    assert not (writer.path / "store.zarr" / kind).exists()
    assert getattr(Run(writer.path).seal(FIRST), kind) == ()


@pytest.mark.slow
def test_half_precision_halves_outputs_and_rounds_them(create, tmp_path):
    whole, half = create(dtype="float64"), create(tmp_path / "half", dtype="float16")
    for writer in (whole, half):
        write(writer, FIRST, [0])
    [a] = Run(whole.path).outputs(FIRST, 0, "test")
    [b] = Run(half.path).outputs(FIRST, 0, "test")
    assert b.logits.dtype == np.float16
    assert np.array_equal(b.logits, a.logits.astype(np.float16))


@pytest.mark.slow
def test_a_half_written_epoch_is_invisible(create, monkeypatch):
    writer = create()
    write(writer, FIRST, [0])
    monkeypatch.setattr(lanes, "write_seal", interrupted)
    with pytest.raises(CutError):
        write(writer, FIRST, [1])
    run = Run(writer.path)
    for path in ("metrics/member_loss", "outputs/test/logits", "checkpoints/layer1.bias"):
        assert not np.isnan(run.array(path)[0, 0, 1]).any(), "it does lie on the disk"
    assert run.metrics().sizes["epoch"] == 1
    with pytest.raises(StoreError, match="has no outputs of epoch 1"):
        next(run.outputs(FIRST, 1, "test"))
    with pytest.raises(StoreError, match="has no checkpoint of epoch 1"):
        run.checkpoint(FIRST, 1)
    tree = run.tree
    for node, name in (("outputs/test", "logits"), ("checkpoints", "layer1.bias")):
        assert np.isnan(tree[node][name].isel(lam=0, trial=0, epoch=1)).all()
        assert not np.isnan(tree[node][name].isel(lam=0, trial=0, epoch=0)).any()


# --- reopening -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_reopened_run_goes_on_to_the_same_store(create, tmp_path):
    whole, parts = create(), create(tmp_path / "parts")
    write(whole, FIRST, range(6))
    write(parts, FIRST, range(3))
    parts.close()
    again = RunWriter.reopen(parts.path, parts.recipe)
    assert again.seal(FIRST) == parts.seal(FIRST)
    write(again, FIRST, range(3, 6))
    again.close()
    assert contents(parts.path) == contents(whole.path)


@pytest.mark.slow
@pytest.mark.parametrize("keep", [{}, {"outputs": [1, "best"], "checkpoints": ["best", "last"]}])
@pytest.mark.parametrize("before", ["_write_state", "write_seal", "_remove_superseded"])
def test_what_was_never_sealed_is_gone_when_a_run_is_reopened(
    create, tmp_path, monkeypatch, keep, before
):
    whole, parts = create(**keep), create(tmp_path / "parts", **keep)
    written(whole, range(6))
    written(parts, [0, 1])
    with monkeypatch.context() as patch:
        patch.setattr(lanes if before == "write_seal" else RunWriter, before, interrupted)
        with pytest.raises(CutError):
            written(parts, [2])
    parts.close()
    again = RunWriter.reopen(parts.path, parts.recipe)
    assert again.seal(FIRST).epoch == (2 if before == "_remove_superseded" else 1)
    for kind in ("outputs", "checkpoints"):
        sealed = set(getattr(again.seal(FIRST), kind))
        assert all(found == sealed for found in chunks(again.path, kind).values())
    written(again, range(2, 6))
    again.close()
    assert contents(parts.path) == contents(whole.path)


@pytest.mark.slow
def test_drafts_of_a_dead_engine_are_gone_when_a_run_is_reopened(create):
    writer = create()
    write(writer, FIRST, [0])
    writer.close()
    before = contents(writer.path)
    folder = writer.path / "lanes"
    for name in ("lam0-trial0.json.4711.draft", "lam0-trial0-epoch1.draft"):
        (folder / name).write_text("half")
    chunk = writer.path / "store.zarr/metrics/member_loss/c/0/0/0/0/0"
    assert chunk.is_file()
    chunk.with_suffix(".0123abcd.partial").write_bytes(b"half")  # as zarr writes a chunk
    RunWriter.reopen(writer.path, writer.recipe).close()
    assert contents(writer.path) == before


@pytest.mark.slow
def test_another_recipe_is_refused_by_the_names_of_its_fields(create):
    writer = create()
    writer.close()
    before = contents(writer.path)
    table = tomllib.loads(toml.to_toml(writer.recipe))
    other = from_table({**table, "seed": 9, "train": {"epochs": 7}})
    with pytest.raises(StoreError, match=r"another recipe.*seed, train\.epochs") as caught:
        RunWriter.reopen(writer.path, other)
    assert "\n" not in str(caught.value)
    assert contents(writer.path) == before


def test_a_folder_that_is_no_run_cannot_be_reopened(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(StoreError, match="is not a run: it has no recipe.toml"):
        RunWriter.reopen(tmp_path, recipe())


# --- the lock ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_second_writer_is_refused_until_the_first_is_done(create):
    writer = create()
    assert Run(writer.path).training
    with pytest.raises(StoreError, match=r"λ = 0, trial 0: is being trained by this process"):
        RunWriter.reopen(writer.path, writer.recipe)
    assert Run(writer.path).training
    writer.close()
    assert not Run(writer.path).training
    RunWriter.reopen(writer.path, writer.recipe).close()


@pytest.mark.slow
def test_who_looks_whether_a_run_is_training_does_not_lock_it(create):
    writer = create()
    writer.close()
    run = Run(writer.path)
    assert not run.training
    again = RunWriter.reopen(writer.path, writer.recipe)
    assert run.training
    again.close()


def test_writers_of_other_lanes_leave_each_other_alone(create, tmp_path):
    """Trial 1 begins like trial 10, and what is being written looks like what was left behind."""
    table = tomllib.loads(toml.to_toml(recipe()))
    made = from_table({**table, "lam": [0], "trials": 11})
    numbers = {
        "val": Examples(target=np.zeros((11, 5), int), source_index=np.zeros((11, 5), int)),
        "test": EXAMPLES["test"],
    }
    one, ten = Lane(1, 0), Lane(10, 0)
    writer = RunWriter.create(tmp_path / "run", made, EXTENT, numbers, {}, of=[ten])
    write(writer, ten, [0])
    of_ten = [
        writer.path / "lanes/.lam0-trial10.json.4711@0badcafe.draft",
        writer.path / "lanes/lam0-trial10-epoch1.draft",
        writer.path / "store.zarr/metrics/member_loss/c/0/10/0/0/0.partial",
    ]
    of_one = [Path(str(path).replace("trial10", "trial1")) for path in of_ten[:2]]
    of_one.append(writer.path / "store.zarr/metrics/member_loss/c/0/1/0/0/0.partial")
    of_one[2].parent.mkdir(parents=True)
    for path in (*of_ten, *of_one):
        path.write_text("half")
    other = RunWriter.reopen(writer.path, made, of=[one])
    assert all(path.exists() for path in of_ten)
    assert not any(path.exists() for path in of_one)
    with pytest.raises(StoreError, match=r"run, λ = 0, trial 10: is being trained by this process"):
        RunWriter.reopen(writer.path, made, of=[ten])
    write(other, one, [0])
    write(writer, ten, [1])
    run = Run(writer.path)
    assert [run.seal(lane).epoch for lane in (one, ten)] == [0, 1]
    writer.close()
    assert run.training
    other.close()
    assert not run.training


def test_of_processes_that_create_a_run_at_the_same_time_one_succeeds(
    create, tmp_path, monkeypatch
):
    checked = store_writer.refuse_occupied

    def slowly(path):
        checked(path)
        if not tried:  # another process is faster, after this one has looked
            tried.append(path)
            create()

    tried = []
    monkeypatch.setattr(store_writer, "refuse_occupied", slowly)
    with pytest.raises(OccupiedError, match="already contains a run"):
        create()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


# --- what only resuming needs --------------------------------------------------------------------


@pytest.mark.slow
def test_a_state_is_read_as_it_was_written(create):
    writer = create()
    write(writer, FIRST, [0, 1])
    for epoch in (0, 1):
        found, given = writer.state(FIRST, epoch), block(FIRST, epoch, writer.recipe).state
        assert found.keys() == given.keys()
        assert all(np.array_equal(found[name], given[name]) for name in given)


def states(writer):
    return sorted(path.name for path in (writer.path / "lanes").glob("*.npz"))


@pytest.mark.slow
def test_states_that_nobody_needs_are_forgotten(create):
    writer = create(epochs=2)
    write(writer, FIRST, [0, 1])
    write(writer, SECOND, [0, 1, 2])
    writer.forget_states([FIRST], 1)
    assert states(writer) == [
        "lam0-trial0-epoch1.npz",
        "lam1-trial0-epoch0.npz",
        "lam1-trial0-epoch1.npz",
        "lam1-trial0-epoch2.npz",
    ]
    writer.forget_states([FIRST, SECOND], 1)  # the second is done
    assert states(writer) == ["lam0-trial0-epoch1.npz"]


def test_states_of_an_earlier_process_are_forgotten(create):
    writer = create()
    write(writer, FIRST, [0, 1])
    writer.close()
    again = RunWriter.reopen(writer.path, writer.recipe)
    try:
        write(again, FIRST, [2])
        again.forget_states([FIRST], 2)
    finally:
        again.close()
    assert states(again) == ["lam0-trial0-epoch2.npz"]


def test_files_are_listed_by_lane(tmp_path):
    (tmp_path / "lanes").mkdir()
    of_first = [".lam1-trial0.7.draft", "lam1-trial0-epoch3.npz", "lam1-trial0.json"]
    for name in (*of_first, "lam1-trial01-epoch20.npz", "lam1-trial01-epoch20.draft", "other.lock"):
        (tmp_path / "lanes" / name).touch()
    listed = lanes.files_of(tmp_path)
    assert listed["lam1-trial0"] == of_first
    assert set(listed) == {"lam1-trial0", "lam1-trial01"}
    assert epochs(listed) == {"lam1-trial0": {3}, "lam1-trial01": {20}}
    assert epochs(listed)["lam2-trial0"] == set()


def test_writing_an_epoch_lists_no_folder_whose_files_grow_with_the_run(create, monkeypatch):
    """Otherwise each epoch takes the longer, the more lanes and epochs a run has."""
    writer = create(outputs=["best"], checkpoints=["best"])
    written(writer, [0, 1])
    assert writer._by_epoch  # the first removal looks them up
    listed = []

    def recorded(folder, of):
        if not isinstance(folder, int):  # that of an epoch, which is being removed
            listed.append(Path(folder).relative_to(writer.path).as_posix())
        return of(folder)

    with monkeypatch.context() as patch:
        for name in ("scandir", "listdir"):
            patch.setattr(os, name, partial(recorded, of=getattr(os, name)))
        written(writer, [2])  # the best so far: the files of epoch 1 are removed
        writer.forget_states([FIRST], 2)
    assert states(writer) == ["lam0-trial0-epoch2.npz"]
    assert {2} in chunks(writer.path, "checkpoints").values()
    of_epoch = re.compile(r"store.zarr/(outputs|checkpoints)/.*/c/0/0/[12](/\d+)*")
    assert [folder for folder in listed if not of_epoch.fullmatch(folder)] == []


@pytest.mark.slow
def test_who_writes_one_lane_of_many_reads_its_seal_only(create, monkeypatch):
    writer = create()
    writer.close()
    read, seals = lanes.read_seal, []
    monkeypatch.setattr(lanes, "read_seal", lambda run, lane: seals.append(lane) or read(run, lane))
    again = RunWriter.reopen(writer.path, writer.recipe, of=[FIRST])
    write(again, FIRST, range(6))
    again.forget_states([FIRST], 5)
    again.close()
    assert set(seals) == {FIRST}


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["missing", "empty", "half", "text"])
def test_a_damaged_state_is_one_line(create, damage):
    writer = create()
    write(writer, FIRST, [0])
    path = writer.path / "lanes" / "lam0-trial0-epoch0.npz"
    whole = path.read_bytes()
    content = {"empty": b"", "half": whole[: len(whole) // 2], "text": b"no zip"}
    path.unlink() if damage == "missing" else path.write_bytes(content[damage])
    with pytest.raises(StoreError, match=r"epoch0\.npz: cannot be read .* --repair") as caught:
        writer.state(FIRST, 0)
    assert "\n" not in str(caught.value)


# --- a full or forbidden disk --------------------------------------------------------------------


def full_after(monkeypatch, count, number=errno.ENOSPC):
    """Let opening a file for writing fail from the count-th time on; return what was opened."""
    opened, lock = [], threading.Lock()
    real = Path.open

    def open_(path, mode="r", *args, **kwargs):
        if "w" in mode:
            with lock:
                opened.append(path)
            if len(opened) >= count:
                raise OSError(number, os.strerror(number), str(path))
        return real(path, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", open_)
    return opened


@pytest.mark.slow
def test_a_full_disk_is_one_line_wherever_it_strikes_and_nothing_is_sealed(create, monkeypatch):
    writer = create()
    with monkeypatch.context() as patch:
        opened = full_after(patch, 10**9)
        write(writer, FIRST, [0])
    # Two logits, two parameters, four metrics, their checksums, the state, the seal.
    assert len(opened) == 11
    for count in range(1, len(opened) + 1):
        with monkeypatch.context() as patch:
            full_after(patch, count)
            with pytest.raises(StoreError, match="is full. Free some space, then .* resume=True"):
                write(writer, SECOND, [0])
        assert Run(writer.path).seal(SECOND).epoch == writer.seal(SECOND).epoch == -1
    write(writer, SECOND, [0])
    [found] = Run(writer.path).outputs(SECOND, 0, "test")
    assert np.array_equal(found.logits, block(SECOND, 0, writer.recipe).outputs["test"])


@pytest.mark.slow
def test_a_full_disk_while_a_run_is_made_leaves_no_run(create, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        full_after(patch, 20)
        with pytest.raises(StoreError, match="The disk of .* is full"):
            create()
    assert not (tmp_path / "run").exists()
    assert create().seal(FIRST).epoch == -1


@pytest.mark.slow
def test_a_forbidden_disk_is_one_line(create, monkeypatch):
    writer = create()
    full_after(monkeypatch, 1, errno.EACCES)
    with pytest.raises(StoreError, match="cannot be written: .*Permission denied") as caught:
        write(writer, FIRST, [0])
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_what_is_no_fault_of_the_disk_keeps_its_traceback(create, monkeypatch):
    writer = create()
    monkeypatch.setattr(store_writer.RunWriter, "_write_arrays", interrupted)
    with pytest.raises(CutError):
        write(writer, FIRST, [0])


# --- power failures -------------------------------------------------------------------------------


@pytest.mark.slow
def test_data_are_flushed_before_the_seal_and_the_seal_before_older_states_go(create, monkeypatch):
    """What a power failure may leave behind depends on the order of these events."""
    writer = create()
    write(writer, FIRST, [0])
    events = []
    flush, write_seal, sync_folder = files.flush, lanes.write_seal, files._sync_folder

    def flushed(folder):
        epoch = writer.path / "store.zarr" / "outputs" / "test" / "logits" / "c" / "0" / "0" / "1"
        state = path_of(writer.path, FIRST, 1)
        record = checksums.path_of(writer.path, FIRST, 1)
        assert all(path.exists() for path in (epoch, state, record))
        events.append("flush")
        flush(folder)

    def sealed(*arguments):
        events.append("seal")
        write_seal(*arguments)
        assert path_of(writer.path, FIRST, 0).exists(), "the state before is kept until the seal"
        events.append("sealed")

    monkeypatch.setattr(files, "flush", flushed)
    monkeypatch.setattr(lanes, "write_seal", sealed)
    monkeypatch.setattr(
        files, "_sync_folder", lambda folder: (events.append("folder"), sync_folder(folder))
    )
    write(writer, FIRST, [1])
    assert events[-4:] == ["flush", "seal", "folder", "sealed"]


def test_flushing_a_folder_that_does_not_exist_is_an_error(tmp_path):
    files.flush(tmp_path)
    with pytest.raises(OSError, match="No such file"):
        files.flush(tmp_path / "nowhere")


@pytest.mark.slow
def test_a_run_that_was_removed_while_it_was_trained_is_not_begun_again(create):
    writer = create()
    shutil.rmtree(writer.path)
    with pytest.raises(StoreError, match="was removed while it was trained"):
        write(writer, FIRST, [0])
    assert not writer.path.exists()


@pytest.mark.slow
def test_another_run_in_the_place_of_one_that_was_moved_is_not_written_to(create, tmp_path):
    """Two trainings would write into one store, each with its own lock."""
    writer = create()
    write(writer, FIRST, [0])
    writer.path.rename(tmp_path / "elsewhere")
    other = create()
    before = contents(other.path)
    with pytest.raises(StoreError, match="was removed while it was trained"):
        write(writer, FIRST, [1])
    assert contents(other.path) == before
    write(other, FIRST, [0, 1])


@pytest.mark.slow
def test_a_run_that_is_removed_while_an_epoch_is_written_is_named(create, monkeypatch):
    writer = create()
    real = RunWriter._write_state

    def removed(self, block):
        shutil.rmtree(self.path)
        real(self, block)

    monkeypatch.setattr(RunWriter, "_write_state", removed)
    with pytest.raises(StoreError, match="was removed while it was trained"):
        write(writer, FIRST, [0])


@pytest.mark.slow
def test_a_link_that_leads_to_itself_is_one_line(create, tmp_path):
    link = tmp_path / "loop"
    link.symlink_to(link)
    with pytest.raises(StoreError, match="cannot be written: .*Not a directory"):
        create(link)
    assert [path.name for path in tmp_path.iterdir()] == ["loop"]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["empty", "missing"])
def test_a_folder_that_is_a_link_is_followed(create, tmp_path, target):
    (tmp_path / "big-disk").mkdir()
    if target == "empty":
        (tmp_path / "big-disk" / "run").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "big-disk" / "run")
    writer = create(link)
    write(writer, FIRST, [0])
    assert link.is_symlink()
    assert Run(link).seal(FIRST).epoch == 0
    assert (tmp_path / "big-disk" / "run" / "recipe.toml").exists()


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [0, 2])
def test_targets_that_are_numbers_are_not_taken_for_outputs_of_an_epoch(tmp_path, epochs):
    """Those of a trial lie at c/TRIAL/0/0, where outputs lie at c/LAM/TRIAL/EPOCH."""
    made = recipe(outputs=["best"], checkpoints="none")
    extent = replace(EXTENT, targets=TargetFacts(numbers=True))
    numbers = {
        "val": Examples(target=np.random.default_rng(0).random((2, 5, 3)), source_index=HELD_OUT),
        "test": Examples(target=np.random.default_rng(1).random((7, 3)), source_index=np.arange(7)),
    }
    writer = RunWriter.create(tmp_path / "run", made, extent, numbers, {})
    written(writer, range(epochs))
    writer.close()
    RunWriter.reopen(writer.path, made).close()
    run = Run(writer.path)
    for trial in (0, 1):
        np.testing.assert_array_equal(
            run.target("val", Lane(trial, 0)), numbers["val"].target[trial]
        )
    np.testing.assert_array_equal(run.target("test", FIRST), numbers["test"].target)
