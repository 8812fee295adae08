"""Damage of every kind of file is noticed, listed, and repaired."""

import json
import random
import shutil
from contextlib import suppress

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from jtdiag import DominanceMonitor, files
from jtdiag.commands import main
from jtdiag.errors import JtdiagError, StoreError
from jtdiag.monitor.recording import Recording
from jtdiag.probing import findings, results
from jtdiag.probing.registry import PROBES
from jtdiag.probing.running import probe
from jtdiag.report.evidence import gather
from jtdiag.store import checksums, lanes, states
from jtdiag.store.lanes import Lane, Seal
from jtdiag.store.run import Run
from jtdiag.testing import toy_run
from jtdiag.workflows.check import check, repair

LOCKS = {"engine.lock", "findings.lock", "results.lock"}


@pytest.fixture
def run(toy_copy):
    probe(toy_copy, "dominance")
    return toy_copy


def files_of(run):
    return sorted(p for p in run.path.rglob("*") if p.is_file() and p.name not in LOCKS)


def content(path):
    """Everything that readers get from a run, in a form that can be compared."""
    run = Run(path)
    parts = [run.recipe_hash, run.settings, findings.read(path)]
    metrics, result = run.metrics(), results.load(run, "dominance")
    for dataset in (metrics, result):
        variables = sorted(map(str, dataset.variables))
        parts += [(name, repr(dataset[name].values.tolist())) for name in variables]
    for lane in run.lanes:
        seal = run.seal(lane)
        parts.append(seal)
        for epoch in seal.outputs:
            for split in run.recipe.keep.splits:
                blocks = run.outputs(lane, epoch, split)
                parts += [(b.logits.tobytes(), b.target.tobytes()) for b in blocks]
        for epoch in seal.checkpoints:
            parts += [values.tobytes() for values in run.checkpoint(lane, epoch).values()]
    return parts


def flip(path, rng):
    damaged = bytearray(path.read_bytes())
    damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    path.write_bytes(damaged)


DAMAGES = {
    "a flipped bit": flip,
    "cut short": lambda path, rng: path.write_bytes(
        path.read_bytes()[: rng.randrange(path.stat().st_size)]
    ),
    "deleted": lambda path, rng: path.unlink(),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_of_any_file_is_noticed_or_changes_nothing(run, damage):
    rng, before = random.Random(damage), content(run.path)
    assert check(run.path).intact
    for path in rng.sample(files_of(run), 25):
        original = path.read_bytes()
        DAMAGES[damage](path, rng)
        assert not check(run.path).intact, path
        with suppress(JtdiagError):
            assert content(run.path) == before, path
        path.write_bytes(original)
    assert check(run.path).intact


@pytest.mark.slow
def test_chunks_that_were_exchanged_are_noticed(run):
    store = run.path / "store.zarr"
    rng, before = random.Random(1), content(run.path)
    chunks = [p for p in store.rglob("c/**/*") if p.is_file()]
    exchanged = 0
    while exchanged < 25:
        a, b = rng.sample(chunks, 2)
        first, second = a.read_bytes(), b.read_bytes()
        if first == second:
            continue
        a.write_bytes(second)
        b.write_bytes(first)
        assert not check(run.path).intact, (a, b)
        with pytest.raises(JtdiagError):
            assert content(run.path) == before
        a.write_bytes(first)
        b.write_bytes(second)
        exchanged += 1


def chunk(run, array, lane, epoch):
    folder = run.path / "store.zarr" / array / "c" / str(lane.lam_index) / str(lane.trial)
    return next(p for p in (folder / str(epoch)).rglob("*") if p.is_file())


def test_a_chunk_of_another_epoch_is_named_by_lane_epoch_and_variable(run):
    lane = run.lanes[1]
    target = chunk(run, "outputs/test/logits", lane, 1)
    shutil.copy(chunk(run, "outputs/test/logits", lane, 0), target)
    [damage] = check(run.path).damages
    assert (damage.lane, damage.epoch, damage.variable) == (lane, 1, "outputs/test/logits")
    assert damage.reason == (
        f"{target}: this is not the chunk that was written here. "
        f"See what is damaged with: jtdiag check {run.path}"
    )
    with pytest.raises(StoreError, match="not the chunk that was written here"):
        list(run.outputs(lane, 1, "test"))
    assert list(run.outputs(lane, 0, "test"))


def test_metrics_of_another_lane_are_not_read(run):
    a, b = (run.path / f"store.zarr/metrics/member_loss/c/0/{trial}/0/0/0" for trial in (0, 1))
    shutil.copy(a, b)
    for read in (Run.metrics, lambda run: run.history(Lane(1, 0))):
        with pytest.raises(StoreError, match="not the values that were sealed"):
            read(Run(run.path))


@pytest.mark.parametrize("name", ["metrics/epoch", "metrics/displacement"])
def test_missing_coordinates_and_distances_are_not_read_as_zeros(run, name):
    chunks = [p for p in (run.path / "store.zarr" / name / "c").rglob("*") if p.is_file()]
    for path in chunks:
        path.unlink()
    with pytest.raises(StoreError):
        Run(run.path).metrics()


def test_a_missing_seal_is_damage_and_not_a_lane_that_has_not_begun(run):
    lanes.path_of(run.path, run.lanes[0]).unlink()
    with pytest.raises(StoreError, match=r"lam0-trial0\.json is missing"):
        Run(run.path).metrics()


SEALS = {
    "epoch 9 of 4": Seal(epoch=9),
    "an epoch that it keeps is not sealed": Seal(epoch=0, outputs=(1,)),
    "its best epoch is not sealed": Seal(epoch=1, best=2, best_error=0.1),
    "it ends early without a reason": Seal(epoch=1, done=True),
}


@pytest.mark.parametrize("reason", SEALS)
def test_a_seal_that_contradicts_the_recipe_is_refused(run, reason):
    assert run.recipe.train.epochs == 4
    lanes.write_seal(run.path, run.lanes[0], SEALS[reason])
    with pytest.raises(StoreError, match=reason):
        Run(run.path).seal(run.lanes[0])


@pytest.mark.parametrize(("old", "new"), [("seed = 0", "seed = 1"), ("batch = 16", "batch = 8")])
def test_a_recipe_that_was_edited_is_refused(run, old, new):
    path = run.path / "recipe.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    field = "seed" if "seed" in old else "train.batch"
    with pytest.raises(StoreError, match=rf"made with; these fields differ: {field}\. Undo"):
        Run(run.path)


def test_comments_in_a_recipe_are_nobodys_business(run):
    path = run.path / "recipe.toml"
    path.write_text("# a remark\n" + path.read_text())
    assert Run(run.path).recipe == run.recipe


def test_a_record_of_the_store_that_is_another_file_is_refused(run):
    record = checksums.path_of(run.path, run.lanes[0], 1)
    created = run.path / "lanes" / checksums.CREATED
    created.write_bytes(record.read_bytes())
    [damage] = check(run.path).damages
    assert damage.reason == (
        f"{created}: is damaged (it is another file). See what is damaged with: "
        f"jtdiag check {run.path}"
    )
    files.write_json(created, {"chunks": {}})
    with pytest.raises(StoreError, match=r"store\.chunks\.json: is another file"):
        Run(run.path)


def test_a_seal_of_no_text_is_a_short_line(run):
    path = lanes.path_of(run.path, run.lanes[0])
    path.write_bytes(path.read_bytes().replace(b'"best"', b'"be\xebt"'))
    with pytest.raises(StoreError, match=r"UnicodeDecodeError: 'utf-8' codec") as caught:
        run.seal(run.lanes[0])
    assert len(str(caught.value)) < 400


@pytest.mark.slow
def test_every_metric_is_named(tmp_path):
    run = toy_run(tmp_path, lam=[0.5], trials=1, objective={"lam_schedule": "linear"})
    [lane] = run.lanes
    for name in run.metrics_of(lane):
        [path] = [p for p in (run.path / f"store.zarr/metrics/{name}/c").rglob("*") if p.is_file()]
        original = path.read_bytes()
        flip(path, random.Random(0))
        assert {(d.lane, d.variable) for d in check(run.path).damages} == {
            (lane, f"metrics/{name}")
        }
        path.write_bytes(original)
    assert {"lam_at", "displacement", "member_loss"} <= {*run.metrics_of(lane)}


@pytest.fixture
def stopped(by_hand):
    """A run of which one lane has to be resumed, and its state."""
    made = by_hand(np.zeros((1, 1, 2, 3, 2)), np.zeros((1, 1, 2, 3)), lam=(0.5,), epochs=3)
    for epoch in (0, 1):
        made.seal(Lane(0, 0), epoch)
        states.write(made.run.path, Lane(0, 0), epoch, {"weights": np.ones(3)})
    return made.run, states.path_of(made.run.path, Lane(0, 0), 1)


@pytest.mark.parametrize("damage", [*DAMAGES, "another"])
def test_a_damaged_state_is_named(stopped, damage):
    run, path = stopped
    assert check(run.path).intact
    if damage == "another":
        shutil.copy(states.path_of(run.path, Lane(0, 0), 0), path)
    elif damage == "a flipped bit":
        content = path.read_bytes()
        path.write_bytes(content.replace(b"NUMPY", b"NUMPX"))
    else:
        DAMAGES[damage](path, random.Random(1))
    [found] = check(run.path).damages
    assert (found.lane, found.epoch, found.variable) == (Lane(0, 0), 1, "state")
    assert found.reason.endswith(f"Train the lane again with: jtdiag check {run.path} --repair")


def test_a_state_may_be_flipped_anywhere(stopped):
    """The header of an archive is not covered by a checksum; no flip there is a traceback."""
    run, path = stopped
    content, arrays = path.read_bytes(), {"weights": [1, 1, 1]}
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 8]) + content[place + 1 :])
        with suppress(StoreError):
            read = states.read(run.path, Lane(0, 0), 1)
            assert {n: a.tolist() for n, a in read.items()} == arrays, place


def test_a_result_without_its_seal_is_damage(run):
    (run.path / "results/dominance.json").unlink()
    [damage] = check(run.path).damages
    assert damage.variable == "results/dominance"
    assert damage.reason.endswith("results/dominance.zarr: its seal is missing.")


def keep_lines(*numbers):
    """Return what replaces a file by some of its lines."""

    def replace(path):
        lines = path.read_text("utf-8").splitlines(keepends=True)
        path.write_text("".join(lines[number] for number in numbers), "utf-8")

    return replace


FINDINGS = {
    "deleted": lambda path: path.unlink(),
    "emptied": lambda path: path.write_text(""),
    "cut after the first line": keep_lines(0),
    "the first line twice": keep_lines(0, 0),
    "the second line first": keep_lines(1, 0),
}


@pytest.mark.parametrize("loss", FINDINGS)
def test_findings_that_are_lost_are_noticed_and_written_again(run, loss):
    path = run.path / findings.LOG
    before = findings.read(run.path)
    assert len(before) > 2
    FINDINGS[loss](path)
    with pytest.raises(StoreError, match=r"findings\.jsonl"):
        findings.read(run.path)
    checked = check(run.path)
    assert [damage.variable for damage in checked.damages] == [findings.LOG]
    assert repair(checked).intact
    assert findings.read(run.path) == before


@pytest.mark.parametrize("loss", ["deleted", "emptied"])
def test_a_report_of_a_run_whose_findings_are_lost_has_them_all_the_same(run, loss):
    before = gather(run).findings
    FINDINGS[loss](run.path / findings.LOG)
    assert gather(run).findings == before


# --- the command ----------------------------------------------------------------------------------


def invoke(*arguments):
    return CliRunner().invoke(main, ["check", *map(str, arguments)])


def test_an_intact_run_is_one_line(run):
    ran = invoke(run.path)
    parts = check(run.path).store.parts
    expected = f"{run.path}: {parts} parts of the store and 1 result checked, no damage.\n"
    assert (ran.exit_code, ran.stdout) == (0, expected)


def test_damage_is_one_line_each_and_status_1(run):
    lane = run.lanes[1]
    chunk(run, "checkpoints/layer1.weight", lane, 1).unlink()
    ran = invoke(run.path)
    assert ran.exit_code == 1
    first, last = ran.stdout.splitlines()
    assert first.startswith(f"lane {lane.key}, epoch 1, checkpoints/layer1.weight: {run.path}")
    assert last.endswith("checked, 1 damaged.")
    [document] = json.loads(invoke(run.path, "--json").stdout)
    assert not document["intact"]
    assert [d["variable"] for d in document["damages"]] == ["checkpoints/layer1.weight"]
    quiet = invoke(run.path, "-q")
    assert (quiet.exit_code, quiet.output) == (1, "")


def test_a_folder_that_is_no_run_is_one_line(tmp_path):
    ran = invoke(tmp_path)
    assert ran.exit_code == 1
    assert "is not a run" in ran.stderr


# --- repairing ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_repaired_run_is_bit_for_bit_what_it_was(run):
    before, chunks = content(run.path), {p: p.read_bytes() for p in files_of(run)}
    flip(chunk(run, "outputs/val/logits", run.lanes[0], 1), random.Random(0))
    lanes.path_of(run.path, run.lanes[2]).write_text("{")
    repaired = repair(check(run.path))
    assert repaired.intact
    assert content(run.path)[3:] == before[3:]
    changed = {p.name for p, old in chunks.items() if not p.exists() or p.read_bytes() != old}
    assert changed <= {"findings.jsonl"}
    assert Run(run.path).done


def test_damaged_results_and_findings_are_removed_and_measured_again(run):
    value = results.load(run, "dominance")
    flip(results.path_of(run, "dominance") / "zarr.json", random.Random(0))
    (run.path / findings.LOG).write_text("{\n")
    checked = check(run.path)
    assert [d.variable for d in checked.damages] == ["results/dominance", "findings.jsonl"]
    assert repair(checked).intact
    np.testing.assert_array_equal(probe(run, "dominance")["leader"], value["leader"])


@pytest.mark.slow
def test_a_lane_whose_metrics_are_damaged_is_trained_again(tmp_path):
    rising = {"lam_schedule": "linear"}
    run = toy_run(tmp_path, lam=[0.5], trials=1, train={"epochs": 1}, objective=rising)
    for name in ("ensemble_error/c/0/0/0/0", "lam_at/c/0/0/0"):
        path = run.path / "store.zarr/metrics" / name
        before = path.read_bytes()
        flip(path, random.Random(0))
        assert repair(check(run.path)).intact
        assert path.read_bytes() == before


def test_a_recorded_lane_without_its_seal_cannot_be_repaired(tmp_path):
    recording = Recording(tmp_path / "run", epochs=1)
    monitor = DominanceMonitor(lam=1, every=1, store=recording.lane(1.0))
    logits, target = torch.zeros(3, 6, 2), torch.zeros(6, dtype=torch.long)
    monitor.update(logits, target)
    monitor.record("test", logits, target)
    monitor.end_epoch()
    lanes.path_of(tmp_path / "run", Lane(0, 0)).write_text("{")
    with pytest.raises(StoreError) as caught:
        repair(check(tmp_path / "run"))
    assert str(caught.value) == (
        f"{tmp_path / 'run'} cannot be repaired: it was recorded from another training loop, so "
        "lane lam0-trial0 cannot be trained again, and without its seal no epoch of it can be "
        "read. Restore the folder from a backup."
    )


def test_an_error_in_a_recipe_names_the_file(run):
    path = run.path / "recipe.toml"
    path.write_text(path.read_text().replace("epochs = 4", 'epochs = "x"'))
    [damage] = check(run.path).damages
    assert damage.reason.startswith(f"{path}: train.epochs is 'x'")


RECIPES = {
    "edited": lambda path: path.write_text(path.read_text().replace("seed = 0", "seed = 1")),
    "no recipe": lambda path: path.write_text("seed = x"),
    "deleted": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", RECIPES)
def test_a_damaged_recipe_is_written_again_from_the_store(run, damage):
    path = run.path / "recipe.toml"
    before = path.read_bytes()
    RECIPES[damage](path)
    checked = check(run.path)
    assert [d.variable for d in checked.damages] == ["recipe.toml"]
    assert str(path) in checked.damages[0].reason or damage == "deleted"
    assert repair(checked).intact
    assert path.read_bytes() == before
    assert results.is_fresh(run, PROBES.find("dominance"))


def test_a_recipe_whose_copy_is_damaged_as_well_cannot_be_repaired(run):
    (run.path / "recipe.toml").write_text("seed = x")
    (run.path / "store.zarr/zarr.json").write_text("{}")
    with pytest.raises(StoreError, match="cannot be repaired"):
        repair(check(run.path))


def test_what_all_lanes_share_cannot_be_repaired(run):
    (run.path / "store.zarr/outputs/test/target/c/0").unlink()
    with pytest.raises(StoreError, match="all lanes depend on what is damaged"):
        repair(check(run.path))


@pytest.mark.slow
def test_a_full_disk_while_repairing_is_one_line_and_repairing_again_succeeds(run, monkeypatch):
    before = content(run.path)
    chunk = next(p for p in files_of(run) if "checkpoints" in p.parts and "/c/0/0/1/" in str(p))
    chunk.write_bytes(b"another chunk")

    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(lanes, "write_seal", full)
        with pytest.raises(StoreError, match=r"^The disk of .* is full\. Free some space"):
            repair(check(run.path))
    assert repair(check(run.path)).intact
    assert content(run.path) == before
