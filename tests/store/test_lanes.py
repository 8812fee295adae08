import json
import os
from dataclasses import replace
from pathlib import Path

import attrs
import pytest
from hypothesis import example, given, settings, strategies as st

from jtdiag import files
from jtdiag.errors import StoreError
from jtdiag.recipe.alerts import Alerts
from jtdiag.recipe.recipe import Data, Keep, Members, Recipe, Train
from jtdiag.store import lanes
from jtdiag.store.lanes import Lane, RuleAction, Seal


def recipe(epochs=3, lam=(0, 1), trials=1, outputs="all", checkpoints="all"):
    return Recipe(
        data=Data(name="digits", val=10),
        members=Members(arch="mlp", count=2),
        lam=lam,
        trials=trials,
        train=Train(epochs=epochs),
        keep=Keep(outputs=outputs, checkpoints=checkpoints),
    )


def sealed(errors, made):
    """Seals of a lane after each of its epochs, from ensemble validation errors."""
    seals = [Seal()]
    for epoch, error in enumerate(errors):
        seals.append(seals[-1].after(epoch, error, made))
    return seals[1:]


def kept_by_the_book(rule, errors, epochs):
    """What a rule keeps once some epochs are done, from the whole history at once."""
    done = range(len(errors))
    if rule == "all":
        return set(done)
    if rule == "none":
        return set()
    kept = {epoch for epoch in done if epoch in rule}
    later = errors[1:]
    if "best" in rule and later and later[0] is not None:
        kept.add(1 + later.index(min(later)))
    if "last" in rule and len(errors) == epochs + 1:
        kept.add(epochs)
    return kept


ERRORS = st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=2, max_size=7)
RULES = st.sampled_from(["all", "none"]) | st.lists(
    st.integers(0, 8) | st.sampled_from(["best", "last"]), min_size=1, max_size=4, unique=True
).map(tuple)


@pytest.mark.slow
@settings(deadline=None)
@given(ERRORS, RULES, RULES, st.booleans())
@example([0.1, 0.3, 0.2, 0.2], ("best",), ("best", "last"), True)
def test_a_seal_says_what_is_kept_as_the_whole_history_would(errors, outputs, checkpoints, val):
    if not val:
        errors = [None] * len(errors)
    made = recipe(epochs=len(errors) - 1, outputs=outputs, checkpoints=checkpoints)
    for epoch, seal in enumerate(sealed(errors, made)):
        so_far = errors[: epoch + 1]
        assert seal.epoch == epoch
        assert seal.done == (epoch == len(errors) - 1)
        assert list(seal.outputs) == sorted(kept_by_the_book(outputs, so_far, len(errors) - 1))
        book = kept_by_the_book(checkpoints, so_far, len(errors) - 1)
        assert list(seal.checkpoints) == sorted(book)


@pytest.mark.slow
@settings(deadline=None)
@given(ERRORS)
@example([0.1, 0.2, 0.2])
def test_the_best_epoch_is_the_first_with_the_lowest_error_after_training_began(errors):
    seal = sealed(errors, recipe(epochs=len(errors) - 1))[-1]
    lowest = min(errors[1:])
    assert seal.best_error == lowest
    assert seal.best == next(e for e in range(1, len(errors)) if errors[e] == lowest)


def test_without_validation_no_epoch_is_the_best():
    last = sealed([None] * 4, recipe(epochs=3))[-1]
    assert (last.best, last.best_error, last.done) == (None, None, True)


@pytest.mark.parametrize(
    ("errors", "best"),
    [
        ([0.0, 0.5], [None, (1, 0.5)]),  # the error before training does not count
        ([0.9, 0.5, 0.5], [None, (1, 0.5), (1, 0.5)]),  # the earliest, if several tie
        ([0.9, 0.5, 0.4, 0.6], [None, (1, 0.5), (2, 0.4), (2, 0.4)]),
    ],
)
def test_the_best_epoch_so_far_is_in_every_seal(errors, best):
    seals = sealed(errors, recipe(epochs=len(errors) - 1))
    assert [seal.best and (seal.best, seal.best_error) for seal in seals] == best


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ("all", [(0,), (0, 1), (0, 1, 2), (0, 1, 2, 3)]),
        ("none", [(), (), (), ()]),
        ((0, 2), [(0,), (0,), (0, 2), (0, 2)]),
        (("best",), [(), (1,), (2,), (2,)]),
        (("last",), [(), (), (), (3,)]),
        ((0, "best", "last"), [(0,), (0, 1), (0, 2), (0, 2, 3)]),
    ],
)
@pytest.mark.parametrize("which", ["outputs", "checkpoints"])
def test_a_rule_keeps_epochs_by_number_and_by_name(rule, kept, which):
    """Validation errors fall until epoch 2: an epoch that is no longer the best is not kept."""
    other = {"outputs": "checkpoints", "checkpoints": "outputs"}[which]
    seals = sealed([0.9, 0.5, 0.4, 0.6], recipe(epochs=3, **{which: rule, other: (3,)}))
    assert [getattr(seal, which) for seal in seals] == kept
    assert [getattr(seal, other) for seal in seals] == [(), (), (), (3,)]


def test_a_lane_that_a_rule_stops_keeps_its_last_epoch():
    made = recipe(epochs=3, outputs=("last",), checkpoints=("last",))
    stopped = Seal().after(0, None, made).after(1, None, made, RuleAction(stopped="divergence"))
    assert stopped.done
    assert (stopped.outputs, stopped.checkpoints) == ((1,), (1,))


@pytest.mark.slow
@settings(deadline=None)
@given(RULES, st.integers(1, 6), st.data())
def test_no_lane_keeps_more_at_once_than_was_announced(rule, epochs, data):
    errors = data.draw(
        st.lists(st.sampled_from([0.1, 0.2]), min_size=epochs + 1, max_size=epochs + 1)
    )
    seals = sealed(errors, recipe(epochs=epochs, outputs=rule))
    assert max(len(seal.outputs) for seal in seals) <= lanes.most_kept(rule, epochs)


@pytest.mark.parametrize(
    ("rule", "errors", "most"),
    [
        ("all", [0.3, 0.2, 0.1], 3),
        ("none", [0.3, 0.2, 0.1], 0),
        ((0, 1, 7), [0.3, 0.2, 0.1], 2),
        ((2,), [0.3, 0.2, 0.1], 1),
        ((0, "best", "last"), [0.3, 0.1, 0.2], 3),
        ((0, 1, 2, "best", "last"), [0.3, 0.1, 0.2], 3),  # epochs that have several reasons
    ],
)
def test_what_is_announced_can_be_reached(rule, errors, most):
    epochs = len(errors) - 1
    assert lanes.most_kept(rule, epochs) == most
    assert len(sealed(errors, recipe(epochs=epochs, outputs=rule))[-1].outputs) == most


def test_lanes_come_trial_by_trial_and_have_names_of_their_own():
    found = lanes.lanes_of(recipe(lam=(0, 0.5, 1), trials=2))
    assert [(lane.trial, lane.lam_index) for lane in found] == [
        (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2),
    ]  # fmt: skip
    assert found[4].key == "lam1-trial1"
    many = lanes.lanes_of(recipe(lam=[i / 20 for i in range(12)], trials=12))
    assert len({lane.key for lane in many}) == 144


@pytest.fixture
def run(tmp_path):
    (tmp_path / lanes.FOLDER).mkdir()
    return tmp_path


LANE = Lane(trial=1, lam_index=2)


def test_a_lane_without_a_seal_has_not_begun(run):
    assert lanes.read_seal(run, LANE) == Seal()
    assert (Seal().epoch, Seal().done) == (-1, False)


@pytest.mark.parametrize(
    "seal",
    [
        Seal(epoch=0),
        Seal(epoch=7, best=3, best_error=0.1, outputs=(3,), checkpoints=(0, 3, 7), done=True),
    ],
)
def test_a_seal_is_read_as_it_was_written(run, seal):
    lanes.write_seal(run, LANE, Seal(epoch=99))
    lanes.write_seal(run, LANE, seal)
    assert lanes.read_seal(run, LANE) == seal
    assert [path.name for path in (run / lanes.FOLDER).iterdir()] == ["lam2-trial1.json"]


def test_what_rules_did_lies_flat_in_the_file_as_in_all_runs_before(run):
    action = RuleAction(stopped="dominance", lowered="codependence")
    seal = Seal(epoch=4, best=2, best_error=0.25, outputs=(2,), done=True, action=action)
    seal = replace(seal, lowered_after=3)
    lanes.write_seal(run, LANE, seal)
    path = run / lanes.FOLDER / f"{LANE.key}.json"
    assert json.loads(path.read_text()) == {
        "file": path.name,
        "lane": LANE.key,
        "epoch": 4,
        "best": 2,
        "best_error": 0.25,
        "outputs": [2],
        "checkpoints": [],
        "done": True,
        "stopped": "dominance",
        "lowered": "codependence",
        "lowered_after": 3,
        "metrics": {},
        "checksum": "CHECK",
    } | {"checksum": json.loads(path.read_text())["checksum"]}
    assert lanes.read_seal(run, LANE) == seal
    assert (seal.stopped, seal.lowered) == ("dominance", "codependence")


def test_a_seal_from_before_there_were_rules_is_read(run):
    (run / lanes.FOLDER / f"{LANE.key}.json").write_text(
        '{"epoch": 1, "best": 1, "best_error": 0.5, "outputs": [0, 1], "checkpoints": [1], '
        '"done": false}\n'
    )
    expected = Seal(epoch=1, best=1, best_error=0.5, outputs=(0, 1), checkpoints=(1,))
    assert lanes.read_seal(run, LANE) == expected


def test_a_lowered_lane_stays_lowered_by_the_first_rule_that_lowered_it():
    made = recipe(epochs=4)
    first = Seal().after(0, None, made, RuleAction(lowered="codependence"))
    second = first.after(1, None, made, RuleAction(lowered="dominance"))
    third = second.after(2, None, made, RuleAction(stopped="divergence"))
    for seal in (first, second, third):
        assert (seal.lowered, seal.lowered_after) == ("codependence", 0)
    assert (second.stopped, second.done) == ("", False)
    assert (third.stopped, third.done) == ("divergence", True)


def test_the_lower_lambda_counts_from_the_epoch_after_the_rule_fired():
    made = attrs.evolve(recipe(), alerts=Alerts(lower_lam=0.5))
    lowered = Seal(epoch=4, lowered_after=2)
    assert [lowered.lam(0.9, epoch, made) for epoch in range(5)] == [0.9, 0.9, 0.9, 0.5, 0.5]
    assert lowered.lam(0.25, 3, made) == 0.25  # the schedule is below it already
    assert Seal(epoch=4).lam(0.9, 4, made) == 0.9


def test_an_epoch_is_removed_from_what_a_seal_keeps_and_nothing_else():
    seal = Seal(epoch=3, best=2, best_error=0.5, outputs=(0, 2, 3), checkpoints=(1, 2), done=True)
    assert lanes.without_epoch(seal, 2) == replace(seal, outputs=(0, 3), checkpoints=(1,))
    assert lanes.without_epoch(seal, 1) == replace(seal, checkpoints=(2,))
    assert lanes.without_epoch(seal, 0) == replace(seal, outputs=(2, 3))


# --- seals that contradict the recipe ------------------------------------------------------------


@pytest.mark.parametrize(
    "seal",
    [
        Seal(),
        Seal(epoch=0, outputs=(0,), checkpoints=(0,)),
        Seal(epoch=1, best=1),
        Seal(epoch=3, best=3, outputs=(0, 3), checkpoints=(0, 3), done=True),
        Seal(epoch=3),
        Seal(epoch=2, done=True, action=RuleAction(stopped="divergence")),
    ],
)
def test_a_seal_that_can_be_that_of_the_run_is_accepted(tmp_path, seal):
    lanes.check_plausible(tmp_path, seal, 3)


NOT_SEALED = "an epoch that it keeps is not sealed"


@pytest.mark.parametrize(
    ("seal", "contradiction"),
    [
        (Seal(epoch=4), "epoch 4 of 3"),
        (Seal(epoch=-2), "epoch -2 of 3"),
        (Seal(epoch=2, outputs=(1, 3)), NOT_SEALED),
        (Seal(epoch=2, checkpoints=(3,)), NOT_SEALED),
        (Seal(epoch=2, outputs=(-1,)), NOT_SEALED),
        (Seal(checkpoints=(0,)), NOT_SEALED),
        (Seal(epoch=2, best=3), "its best epoch is not sealed"),
        (Seal(epoch=2, best=-1), "its best epoch is not sealed"),
        (Seal(epoch=2, done=True), "it ends early without a reason"),
    ],
)
def test_a_seal_that_contradicts_the_recipe_is_refused_with_the_reason(
    tmp_path, seal, contradiction
):
    with pytest.raises(StoreError) as caught:
        lanes.check_plausible(tmp_path / "seal.json", seal, 3)
    assert str(caught.value) == (
        f"{tmp_path / 'seal.json'}: contradicts the recipe ({contradiction}). "
        "Train the run again, or restore the folder from a backup."
    )


# --- seals that are not the lane's, or damaged ---------------------------------------------------


def test_the_checksums_of_metrics_are_read_in_the_order_of_names(run):
    seal = Seal(epoch=0, metrics=(("b", "01"), ("a", "02")))
    lanes.write_seal(run, LANE, seal)
    assert lanes.read_seal(run, LANE).metrics == (("a", "02"), ("b", "01"))


def test_the_seal_of_another_lane_is_refused(run):
    other = Lane(trial=0, lam_index=0)
    path = run / lanes.FOLDER / f"{LANE.key}.json"
    # A seal of a version that did not record the name of the file.
    path.write_text(
        json.dumps({"lane": other.key, "epoch": 1, "outputs": [], "checkpoints": []}), "utf-8"
    )
    with pytest.raises(StoreError) as caught:
        lanes.read_seal(run, LANE)
    assert str(caught.value) == (
        f"{path}: is not the seal of a lane (ValueError: it is that of another lane). "
        f"See what is damaged with: jtdiag check {run}"
    )


def test_a_seal_that_cannot_be_read_is_one_line(run):
    (run / lanes.FOLDER / f"{LANE.key}.json").mkdir()
    with pytest.raises(StoreError, match=r"lam2-trial1\.json: is not the seal of a lane \(IsADir"):
        lanes.read_seal(run, LANE)


@pytest.mark.parametrize("content", ["", "{", "[1, 2", "\x00\x00"])
def test_a_damaged_seal_is_one_line(run, content):
    (run / lanes.FOLDER / f"{LANE.key}.json").write_text(content)
    with pytest.raises(StoreError, match=r"lam2-trial1\.json: is not the seal of a lane") as e:
        lanes.read_seal(run, LANE)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    "content", ["null", "[]", '{"epoch": 3}', '{"outputs": [], "checkpoints": [], "x": 1}']
)
def test_a_seal_of_another_shape_is_one_line(run, content):
    json.loads(content)
    (run / lanes.FOLDER / f"{LANE.key}.json").write_text(content)
    with pytest.raises(StoreError, match=r"lam2-trial1\.json: is not the seal of a lane"):
        lanes.read_seal(run, LANE)


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_text_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch, broken):
    def fail(*_):
        raise OSError("no")

    path = tmp_path / "file.txt"
    files.write_atomically(path, "old\n")
    with monkeypatch.context() as patch:
        patch.setattr(*((os, "fsync") if broken == "fsync" else (Path, "replace")), fail)
        with pytest.raises(OSError, match="no"):
            files.write_atomically(path, "new\n")
        assert path.read_text() == "old\n"
    files.write_atomically(path, "new\n")
    assert path.read_text() == "new\n"


def test_a_text_is_on_the_disk_before_it_takes_the_old_ones_place(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("fsync"), fsync(fd)))
    monkeypatch.setattr(Path, "replace", lambda a, b: (order.append("replace"), replace(a, b)))
    files.write_atomically(tmp_path / "file.txt", "text")
    assert order == ["fsync", "replace", "fsync"]  # the text, its name, the folder
