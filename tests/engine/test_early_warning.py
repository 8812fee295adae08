from dataclasses import replace

import attrs
import numpy as np
import pytest
import xarray as xr
from scipy.stats import entropy

from jtdiag import Run, names, rules, train
from jtdiag.engine.progress import NullListener
from jtdiag.recipe.toml import from_table
from jtdiag.testing import TOY, toy_data, toy_run

ON = {"stop_on": ["over-capacity", "codependence"]}


class Hears(NullListener):
    """What a listener is told, in order."""

    def __init__(self):
        self.told, self.reports = [], []

    def epoch(self, report):
        self.reports.append(report)

    def verdict(self, lane, verdict):
        self.told.append((lane, verdict))


@pytest.fixture
def easily_weak(monkeypatch):
    """Let members count as weak that have less than 1.5 of the ensemble's skill: all of them."""
    monkeypatch.setattr("jtdiag.rules.limits.MEDIAN_SKILL", 1.5)
    monkeypatch.setattr("jtdiag.rules.limits.LEADER_SKILL", 9.0)
    monkeypatch.setattr("jtdiag.rules.limits.IMPROVEMENT", 9.0)


def recipe(folder, **changes):
    toy_data(folder / "toy.npz")
    table = {k: dict(v) if isinstance(v, dict) else v for k, v in TOY.items()}
    table["data"]["name"] = str(folder / "toy.npz")
    for key, value in changes.items():
        table[key] = {**table.get(key, {}), **value} if isinstance(value, dict) else value
    return from_table(table)


def files(run):
    return {p.relative_to(run.path): p.read_bytes() for p in run.path.rglob("*") if p.is_file()}


@pytest.mark.slow
def test_the_listener_hears_of_a_rule_once_a_lane_and_before_its_epoch(tmp_path, easily_weak):
    heard = Hears()
    train(recipe(tmp_path), tmp_path / "run", listener=heard)
    weak = [(lane, v.epoch) for lane, v in heard.told if v.rule == "codependence"]
    assert len(weak) == len({lane for lane, _ in weak}) == 6
    assert {epoch for _, epoch in weak} == {3}


@pytest.mark.slow
def test_what_rules_say_while_training_is_what_they_say_of_the_store(tmp_path, easily_weak):
    heard = Hears()
    run = train(recipe(tmp_path), tmp_path / "run", listener=heard)
    for lane in run.lanes:
        live = [v for told, v in heard.told if told == lane]
        assert live == rules.first(run.history(lane))


@pytest.mark.slow
def test_a_lane_that_is_stopped_is_sealed_done_and_marked(tmp_path, easily_weak):
    heard = Hears()
    run = train(recipe(tmp_path, alerts=ON), tmp_path / "run", listener=heard)
    for lane in run.lanes:
        seal = run.seal(lane)
        assert (seal.epoch, seal.done, seal.stopped) == (3, True, "codependence")
        assert seal.outputs == (0, 1, 2, 3)
    assert run.done
    assert max(report.epoch for report in heard.reports) == 3
    assert {r.stopped for r in heard.reports if r.epoch == 3} == {"codependence"}
    assert not list((run.path / "lanes").glob("*.npz"))  # nothing is left to resume from
    assert run.check() > 0


@pytest.mark.slow
def test_the_last_epoch_of_a_stopped_lane_is_its_last(tmp_path, easily_weak):
    keep = {"outputs": ["last"], "checkpoints": ["last"]}
    run = train(recipe(tmp_path, alerts=ON, keep=keep), tmp_path / "run")
    assert {run.seal(lane).outputs for lane in run.lanes} == {(3,)}


@pytest.mark.slow
def test_until_it_stops_a_lane_is_bit_for_bit_the_same(tmp_path, easily_weak):
    whole = train(recipe(tmp_path), tmp_path / "whole").metrics()
    stopped = train(recipe(tmp_path, alerts=ON), tmp_path / "stopped").metrics()
    xr.testing.assert_identical(
        stopped["member_loss"].drop_attrs(), whole["member_loss"].sel(epoch=slice(3)).drop_attrs()
    )


@pytest.mark.slow
def test_resuming_a_stopped_run_changes_nothing(tmp_path, easily_weak):
    made = recipe(tmp_path, alerts=ON)
    before = files(train(made, tmp_path / "run"))
    assert files(train(made, tmp_path / "run", resume=True)) == before


@pytest.mark.slow
def test_lanes_beside_a_stopped_one_train_on(tmp_path, monkeypatch):
    """Three lanes in one computation, one of which is stopped after epoch 2."""
    judge = rules.judge

    def stops_at_lambda_1(history, wanted):
        if history.lam[-1] == 1 and history.last == 2 and "codependence" in wanted:
            [weak] = judge_weak(history)
            return [weak]
        return [v for v in judge(history, wanted) if v.rule != "codependence"]

    def judge_weak(history):
        later = replace(history, epoch=history.epoch + 5)
        with monkeypatch.context() as patch:
            patch.setattr("jtdiag.rules.limits.MEDIAN_SKILL", 9.0)
            patch.setattr("jtdiag.rules.limits.LEADER_SKILL", 9.0)
            patch.setattr("jtdiag.rules.limits.IMPROVEMENT", 9.0)
            return judge(later, ["codependence"])

    engine = {"engine": {"lanes": 3}, "trials": 1}
    whole = train(recipe(tmp_path, **engine), tmp_path / "whole").metrics()
    monkeypatch.setattr("jtdiag.rules.verdict_log.judge", stops_at_lambda_1)
    run = train(recipe(tmp_path, alerts={"stop_on": "codependence"}, **engine), tmp_path / "run")
    assert [run.seal(lane).epoch for lane in run.lanes] == [4, 4, 2]
    found = run.metrics()
    for lam, last in ((0, 4), (0.9, 4), (1, 2)):
        at = {"lam": lam, "epoch": slice(last)}
        np.testing.assert_allclose(
            found["member_loss"].sel(at), whole["member_loss"].sel(at), rtol=1e-12
        )
    assert found["member_loss"].sel(lam=1, epoch=slice(3, None)).isnull().all()
    resumed = train(run.recipe, run.path, resume=True)
    assert resumed.done


@pytest.mark.slow
def test_a_lowered_lane_goes_on_with_the_lower_lambda(tmp_path, easily_weak):
    heard = Hears()
    run = train(recipe(tmp_path, alerts={"lower_lam": 0.5}), tmp_path / "run", listener=heard)
    lanes = {run.lam(lane): lane for lane in run.lanes if lane.trial == 0}
    assert [run.lam_at(lanes[1.0], e) for e in range(5)] == [1, 1, 1, 1, 0.5]
    assert [run.lam_at(lanes[0.9], e) for e in range(5)] == [0.9, 0.9, 0.9, 0.9, 0.5]
    assert [run.lam_at(lanes[0.0], e) for e in range(5)] == [0] * 5
    assert (run.seal(lanes[1.0]).lowered, run.seal(lanes[1.0]).lowered_after) == ("codependence", 3)
    assert run.seal(lanes[0.0]).lowered == ""
    kept = run.metrics()[names.LAM_AT]
    for lane in run.lanes:
        row = [run.lam_at(lane, e) for e in range(5)]
        assert kept.isel(lam=lane.lam_index, trial=lane.trial).values.tolist() == row
    told = {r.lane: r.lowered for r in heard.reports if r.epoch == 3}
    assert told[lanes[1.0]] == "codependence"
    last = next(r for r in heard.reports if r.lane == lanes[1.0] and r.epoch == 4)
    found = run.metrics().sel(lam=1, trial=0, epoch=4, split="train")
    expected = 0.5 * found["ensemble_loss"] + 0.5 * found["member_loss"].mean()
    assert last.train_loss == pytest.approx(float(expected))


@pytest.mark.slow
def test_a_lowered_lane_descends_as_one_whose_schedule_steps_there(tmp_path, easily_weak):
    """λ = 0.9 for three epochs, then 0.5: by an alert, and by a schedule that steps."""
    lowered = recipe(tmp_path, alerts={"lower_lam": 0.5}, lam=[0.9])
    by_step = {"lam_schedule": "step", "lam_start": 0.9, "lam_epochs": 3}
    stepped = recipe(tmp_path, objective=by_step, lam=[0.5])
    one = train(lowered, tmp_path / "lowered").metrics()
    other = train(stepped, tmp_path / "stepped").metrics()
    for name in ("member_loss", "ensemble_error", "displacement", "lam_at"):
        assert np.array_equal(one[name], other[name]), name


@pytest.mark.slow
def test_a_schedule_below_the_lower_lambda_goes_on(tmp_path, easily_weak):
    rising = {"lam_schedule": "linear"}
    made = recipe(tmp_path, objective=rising, alerts={"lower_lam": 0.8}, lam=[1.0])
    run = train(made, tmp_path / "run")
    lane = run.lanes[0]
    assert [run.lam_at(lane, e) for e in range(1, 5)] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert run.seal(lane).lowered == ""  # at epoch 3, when it was told, λ was lower already


class Interrupts(NullListener):
    def __init__(self, at):
        self.at = at

    def epoch(self, report):
        if report.epoch == self.at:
            raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize("alerts", [{"lower_lam": 0.5}, ON], ids=["lower", "stop"])
@pytest.mark.parametrize("at", [2, 3])
def test_interrupted_and_resumed_it_is_bit_for_bit_the_same(tmp_path, easily_weak, alerts, at):
    made = recipe(tmp_path, alerts=alerts, trials=1, lam=[1.0])
    whole = files(train(made, tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        train(made, tmp_path / "cut", listener=Interrupts(at))
    heard = Hears()
    resumed = train(made, tmp_path / "cut", resume=True, listener=heard)
    assert files(resumed) == whole
    told = [v.rule for _, v in heard.told]
    assert told.count("codependence") <= 1


@pytest.mark.slow
def test_a_store_older_than_the_displacement_can_be_resumed(tmp_path, record_again):
    made = recipe(tmp_path, trials=1, lam=[1.0])
    with pytest.raises(KeyboardInterrupt):
        train(made, tmp_path / "run", listener=Interrupts(2))
    import shutil

    import zarr

    shutil.rmtree(tmp_path / "run" / "store.zarr" / "metrics" / "displacement")
    with pytest.warns(UserWarning, match="Consolidated metadata"):
        zarr.consolidate_metadata(tmp_path / "run" / "store.zarr")
    record_again(tmp_path / "run")
    run = train(made, tmp_path / "run", resume=True)
    assert run.done
    assert run.history(run.lanes[0]).displacement is None


@pytest.mark.slow
def test_the_displacement_is_that_of_the_checkpoints(tmp_path):
    run = toy_run(tmp_path)
    for lane in run.lanes:
        history = run.history(lane)
        start = run.checkpoint(lane, 0)
        for epoch in history.epoch:
            now = run.checkpoint(lane, int(epoch))
            flat = [(now[n] - start[n]).reshape(3, -1) for n in now]
            expected = np.linalg.norm(np.concatenate(flat, 1), axis=1)
            np.testing.assert_allclose(history.displacement[epoch], expected, rtol=1e-12)


@pytest.mark.slow
def test_a_history_is_the_training_metrics_up_to_the_seal(tmp_path):
    run = Run(toy_run(tmp_path).path)
    metrics = run.metrics().sel(split="train")
    for lane in run.lanes:
        history = run.history(lane)
        at = metrics.isel(lam=lane.lam_index, trial=lane.trial)
        for name in names.METRIC_VARIABLES:
            assert np.array_equal(getattr(history, name), at[name].values)
        assert history.lam.tolist() == [run.lam(lane)] * 5
        counts = [34, 33, 33]  # of the three classes in toy_data
        assert history.chance_loss == pytest.approx(entropy(counts))
        assert history.chance_error == pytest.approx(0.66)
        assert history.examples == 80


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gaussian"])
def test_families_without_classes_have_no_loss_of_a_guess(tmp_path, family):
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 2)).astype("float32")
    np.savez(tmp_path / "n.npz", x_train=x, y_train=x.sum(1), x_test=x[:20], y_test=x[:20].sum(1))
    made = recipe(tmp_path, family=family, trials=1, lam=[1.0])
    made = attrs.evolve(made, data=attrs.evolve(made.data, name=str(tmp_path / "n.npz")))
    run = train(made, tmp_path / "run")
    assert run.history(run.lanes[0]).chance_loss is None


@pytest.mark.slow
def test_chance_level_is_that_of_the_training_targets(tmp_path):
    """Of 200 training examples, 2 are of the rare class: members that ignore it have no skill."""
    random = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 200), ("test", 100)):
        arrays[f"x_{part}"] = random.normal(size=(count, 2)).astype("float32")
        arrays[f"y_{part}"] = (np.arange(count) % 100 == 0).astype(int)
    np.savez(tmp_path / "rare.npz", **arrays)
    table = {**TOY, "lam": [1.0], "trials": 1, "keep": {"splits": ["test"]}}
    table["data"] = {"name": str(tmp_path / "rare.npz")}
    heard = Hears()
    run = train(from_table(table), tmp_path / "run", listener=heard)
    assert run.chance_error == pytest.approx(0.01)
    assert run.chance_loss == pytest.approx(entropy([198, 2]))
    assert run.training_examples == 200
    history = run.history(run.lanes[0])
    assert (history.member_error[-1] == 0.01).all()  # all say the frequent class
    assert heard.told == []
    assert np.isnan(rules.scores(history)["dominance"])
