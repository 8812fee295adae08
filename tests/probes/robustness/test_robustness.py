import itertools
import shutil
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.special import log_softmax

from jtdiag import names
from jtdiag.probing.contract import Options
from jtdiag.replay import Replay
from jtdiag.store import lanes, layout
from jtdiag.testing import ProbePromises, toy_run
from jtdiag_probes.robustness import (
    bit_flips,
    outputs as robustness_outputs,
    subset_means,
    weights as robustness_weights,
)
from jtdiag_probes.robustness.removal import random_orders
from jtdiag_probes.robustness.robustness import epoch_with_outputs, probe


@pytest.mark.slow
class TestRobustness(ProbePromises):
    probe = probe


@pytest.fixture(scope="module")
def result(toy):
    return probe.ask(toy, Options())


@pytest.fixture
def hand(by_hand):
    """One lane of six members, two epochs, all outputs stored; returns run, logits and target."""
    random = np.random.default_rng(0)
    target = random.integers(0, 4, 80)
    logits = np.eye(4)[target] * np.linspace(0.3, 1.2, 6)[:, None, None]
    logits = logits + random.standard_normal((6, 80, 4))
    error = (logits.argmax(-1) != target).mean(1)
    ensemble = (logits.mean(0).argmax(-1) != target).mean()
    run = by_hand(
        np.broadcast_to(error, (1, 1, 2, 3, 6)),
        np.full((1, 1, 2, 3), ensemble),
        lam=(0.9,),
        classes=4,
        logits={"test": np.broadcast_to(logits, (1, 1, 2, *logits.shape))},
        target={"test": target},
    ).seal_all()
    return run, logits, target


def outputs(run, lane, epoch, split="test"):
    blocks = list(run.outputs(lane, epoch, split))
    logits = np.concatenate([block.logits for block in blocks], 1).astype(float)
    return logits, np.concatenate([block.target for block in blocks])


def accuracy(logits, target, members=slice(None)):
    return (logits[members].sum(0).argmax(-1) == target).mean()


def loss(logits, target):
    chosen = log_softmax(logits.mean(0), -1)[np.arange(len(target)), target]
    return -chosen.mean()


# --- which outputs --------------------------------------------------------------------------------


def test_each_lane_is_measured_at_the_epoch_chosen_on_validation(toy, result):
    for lane in toy.lanes:
        index = {names.LAM: lane.lam_index, names.TRIAL: lane.trial}
        epoch = toy.chosen_epoch(lane)
        assert result["measured_epoch"].isel(index) == epoch
        whole = result.isel(index).sel(dropped=0, subsets="shared")
        logits, target = outputs(toy, lane, epoch)
        assert float(whole["accuracy"]) == pytest.approx(accuracy(logits, target))
        assert float(whole["loss"]) == pytest.approx(loss(logits, target), rel=1e-6)


@pytest.mark.slow
def test_without_outputs_of_the_chosen_epoch_the_last_stored_epoch_is_measured(tmp_path):
    run = toy_run(tmp_path, lam=[0.5], trials=1, keep={"outputs": ["last"]})
    assert epoch_with_outputs(run, run.lanes[0]) == 4
    assert probe.ask(run, Options())["measured_epoch"].item() == 4


def test_without_outputs_everything_is_nan_and_the_only_finding_is_the_reason(small_run):
    result = probe.ask(small_run, Options())
    assert (result["measured_epoch"] == -1).all()
    assert all(result[name].isnull().all() for name in result.data_vars if name != "measured_epoch")
    [only] = probe.judge(result)
    assert only.sentence.startswith("Robustness was not measured: the run stores no outputs")


@pytest.mark.slow
def test_outputs_of_another_split_are_not_enough(tmp_path):
    run = toy_run(tmp_path, lam=[0.5], trials=1, train={"epochs": 1}, keep={"splits": ["val"]})
    result = probe.ask(run, Options())
    assert result["measured_epoch"].item() == -1
    assert [finding.rule for finding in probe.judge(result)] == ["nothing-kept"]


@pytest.mark.slow
def test_a_lane_that_has_not_started_is_nan_and_the_others_are_measured(toy_copy, cut_back):
    result = probe.ask(cut_back(toy_copy, 4, -1, 4, 4, -1, -1), Options())
    measured = result["accuracy"].notnull().all(["subsets", "dropped"])
    assert measured.values.tolist() == [[True, True], [False, False], [True, False]]
    assert {f.lam for f in probe.judge(result)} == {0.0, 1.0}


@pytest.mark.slow
def test_outputs_read_in_many_chunks_give_the_same(toy, result, tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "CHUNK_BYTES", 300)
    run = toy_run(tmp_path, trials=1, lam=[0.9])
    assert len(list(run.outputs(run.lanes[0], 4, "test"))) > 3
    chunked = probe.ask(run, Options()).squeeze("trial", drop=True).sel(lam=0.9, drop=True)
    whole = result.sel(lam=0.9, trial=0, drop=True)
    by_lane = [name for name, var in probe.writes.items() if names.TRIAL in var.dims]
    # Another number of trials is another grid of probabilities.
    by_lane.remove("accuracy_by_probability")
    xr.testing.assert_allclose(chunked[by_lane], whole[by_lane], rtol=1e-6, atol=1e-12)


# --- the numbers ----------------------------------------------------------------------------------


def test_curves_of_a_small_ensemble_are_means_over_all_subsets(hand):
    run, logits, target = hand
    result = probe.ask(run, Options())
    assert result.attrs["exact"] == 1
    result = result.squeeze(drop=True)
    for dropped in range(6):
        subsets = itertools.combinations(range(6), 6 - dropped)
        every = [accuracy(logits, target, list(subset)) for subset in subsets]
        for kind in ("shared", "own"):
            of_count = result.sel(subsets=kind, dropped=dropped)
            assert float(of_count["accuracy"]) == pytest.approx(np.mean(every))
            assert float(of_count["accuracy_repeat_se"]) == 0
        assert float(result["accuracy_worst"].sel(dropped=dropped)) == pytest.approx(min(every))


@pytest.mark.slow
def test_curves_of_a_large_ensemble_are_means_over_repeats_of_random_subsets(hand, monkeypatch):
    monkeypatch.setattr(subset_means, "LARGEST", 5)
    run, logits, target = hand
    result = probe.ask(run, Options())
    assert result.attrs["exact"] == 0
    result, lane = result.squeeze(drop=True), run.lanes[0]
    orders = random_orders(robustness_outputs.generator(run, lane, 0), 20, 6)
    for dropped in range(6):
        every = [accuracy(logits, target, order[: 6 - dropped]) for order in orders]
        of_count = result.sel(subsets="shared", dropped=dropped)
        assert float(of_count["accuracy"]) == pytest.approx(np.mean(every))
        error = np.std(every, ddof=1) / np.sqrt(20)
        assert float(of_count["accuracy_repeat_se"]) == pytest.approx(error, abs=1e-12)


@pytest.mark.slow
def test_both_kinds_of_subsets_agree_within_their_errors(hand, monkeypatch):
    monkeypatch.setattr(subset_means, "LARGEST", 5)
    result = probe.ask(hand[0], Options()).squeeze(drop=True)
    shared, separate = (result.sel(subsets=kind) for kind in ("shared", "own"))
    for name in ("accuracy", "loss"):
        error = np.hypot(shared[f"{name}_repeat_se"], separate[f"{name}_repeat_se"])
        assert (abs(shared[name] - separate[name]) <= 4 * error + 1e-9).all()


def test_shapley_values_add_up_to_what_all_members_gain(result):
    full = result.sel(subsets="shared", dropped=0)
    np.testing.assert_allclose(result["shapley_accuracy"].sum("member"), full["accuracy"] - 1 / 3)
    np.testing.assert_allclose(
        result["shapley_loss"].sum("member"), full["loss"] - np.log(3), rtol=1e-6
    )


def test_the_worst_found_is_below_every_other_curve(result):
    worst = result["accuracy_worst"]
    assert (worst <= result["accuracy"].sel(subsets="shared") + 1e-12).all()
    ordered = result["accuracy_ordered"]
    assert (worst <= ordered.fillna(1)).all()


def test_members_go_in_the_order_of_their_validation_error(hand):
    run, logits, target = hand
    result = probe.ask(run, Options()).squeeze(drop=True)
    order = np.argsort((logits.argmax(-1) != target).mean(1), kind="stable")
    removed = result["accuracy_ordered"].sel(removal="best-first")
    kept = result["partial_accuracy"].sel(evaluation="best-alone-first")
    for count in range(1, 6):
        expected = accuracy(logits, target, order[count:])
        assert float(removed.sel(dropped=count)) == pytest.approx(expected)
        assert float(kept.sel(kept=count)) == pytest.approx(accuracy(logits, target, order[:count]))


def test_members_that_moved_least_go_first(toy, result):
    lane = next(lane for lane in toy.lanes if (lane.lam_index, lane.trial) == (1, 0))
    epoch = toy.chosen_epoch(lane)
    begin, end = toy.checkpoint(lane, 0), toy.checkpoint(lane, epoch)
    moved = [
        sum(float(((end[name][j] - begin[name][j]) ** 2).sum()) for name in end) for j in range(3)
    ]
    logits, target = outputs(toy, lane, epoch)
    accuracies = result["accuracy_ordered"].sel(removal="least-moved-first").isel(lam=1, trial=0)
    for dropped in range(3):
        kept = np.argsort(moved)[dropped:]
        assert float(accuracies[dropped]) == pytest.approx(accuracy(logits, target, kept))


def test_members_are_chosen_on_validation_and_measured_on_test(toy, result):
    lane = toy.lanes[0]
    logits, target = outputs(toy, lane, toy.chosen_epoch(lane), "val")
    alone = [accuracy(logits, target, [j]) for j in range(3)]
    logits, target = outputs(toy, lane, toy.chosen_epoch(lane))
    best_accuracy = result["partial_accuracy"].sel(evaluation="greedy", kept=1).isel(lam=0, trial=0)
    best = {accuracy(logits, target, [j]) for j in range(3) if alone[j] == max(alone)}
    assert any(float(best_accuracy) == pytest.approx(value) for value in best)


def test_the_excess_is_one_with_all_members_and_compares_with_the_prediction(hand):
    run, logits, target = hand
    result = probe.ask(run, Options()).squeeze(drop=True)
    members = np.mean([loss(logits[[j]], target) for j in range(6)])
    assert float(result["predicted_loss"].sel(dropped=5)) == pytest.approx(members)
    assert float(result["predicted_loss"].sel(dropped=0)) == pytest.approx(loss(logits, target))
    ratio = result["loss"] / result["predicted_loss"]
    np.testing.assert_allclose(result["codependence_excess"], ratio.transpose(*ratio.dims))
    np.testing.assert_allclose(result["codependence_excess"].sel(dropped=0), 1, rtol=1e-12)


def test_means_and_errors_are_over_trials_each_its_mean_over_repeats(result):
    two = result["accuracy"].values
    np.testing.assert_allclose(result["accuracy_mean"], two.mean(1))
    np.testing.assert_allclose(result["accuracy_se"], two.std(1, ddof=1) / np.sqrt(2), atol=1e-15)


def test_all_lambdas_of_a_trial_lose_the_same_members(toy):
    drawn = {}
    for lane in toy.lanes:
        drawn.setdefault(lane.trial, set()).add(robustness_outputs.generator(toy, lane, 0).random())
    assert [len(generators) for generators in drawn.values()] == [1, 1]
    assert drawn[0] != drawn[1]


@pytest.mark.slow
def test_of_a_single_member_there_is_nothing_to_drop(tmp_path):
    run = toy_run(tmp_path, members={"count": 1}, lam=[0.5], trials=1)
    result = probe.ask(run, Options())
    assert result["accuracy"].shape == (1, 1, 2, 1)
    assert result["tolerated_fraction"].isnull().all()
    assert "tolerance" not in {f.rule for f in probe.judge(result)}
    assert "single-member" in {f.rule for f in probe.judge(result)}


@pytest.mark.slow
def test_a_diverged_member_does_not_stop_the_probe(toy_copy, record_again):
    import zarr

    store = zarr.open_group(toy_copy.path / "store.zarr", mode="r+")
    store["outputs/test/logits"][:, :, :, 1] = np.nan
    record_again(toy_copy)
    result = probe.ask(toy_copy, Options())
    assert (result["accuracy"].sel(dropped=0) == 0).all()
    assert (result["accuracy"].sel(dropped=2) > 0.2).all()
    assert result["accuracy_mean"].isnull().all()
    probe.judge(result)


# --- flipped bits and costs -----------------------------------------------------------------------


def test_without_flips_the_rebuilt_members_answer_as_the_outputs_do(result):
    none = result["bit_flip_accuracy"].sel(rate=0)
    np.testing.assert_allclose(none, result["accuracy"].sel(subsets="shared", dropped=0))


def test_flipped_weights_are_those_of_parameters_and_the_answers_are_theirs(toy, monkeypatch):
    monkeypatch.setattr(bit_flips, "RATES", (0.02,))
    monkeypatch.setattr(bit_flips, "DRAWS", 2)
    lane = toy.lanes[0]
    replay = Replay.of(toy, lane, 4)
    flipped = robustness_weights.flipped(replay, np.random.default_rng(0), 25.0)
    random, expected = np.random.default_rng(0), []
    x, target = replay.examples("test")
    for _ in range(2):
        weights = {
            name: bit_flips.flip_bits(weight.numpy(), 0.02, random)
            for name, weight in replay.trained.items()
        }
        hidden = np.einsum("mhi,ni->mnh", weights["layer1.weight"], x.numpy())
        hidden = np.maximum(hidden + weights["layer1.bias"][:, None], 0)
        logits = np.einsum("mkh,mnh->mnk", weights["layer2.weight"], hidden)
        logits = logits + weights["layer2.bias"][:, None]
        expected.append(bit_flips.accuracy(logits, target.numpy()))
    np.testing.assert_allclose(flipped["bit_flip_accuracy"], [np.mean(expected)])


def test_costs_are_those_of_a_small_perceptron(result):
    assert result["parameters_per_member"].item() == (2 * 5 + 5) + (5 * 3 + 3)
    assert result["multiply_adds_per_member"].item() == 2 * 5 + 5 * 3


@pytest.mark.slow
def test_without_data_bit_flips_are_skipped_and_the_reason_is_reported(toy_copy, record_again):
    for name in ("recipe.toml", "store.zarr/zarr.json"):
        text = (toy_copy.path / name).read_text()
        (toy_copy.path / name).write_text(text.replace("toy.npz", "gone.npz"))
    record_again(toy_copy.path)
    result = probe.ask(type(toy_copy)(toy_copy.path), Options())
    assert result["bit_flip_accuracy"].isnull().all()
    assert result["accuracy"].notnull().all()
    sentences = [f.sentence for f in probe.judge(result) if f.rule == "without-bit-flips"]
    assert "gone.npz" in sentences[0]


@pytest.mark.slow
def test_without_checkpoints_only_variables_that_need_them_are_nan(toy_copy):
    shutil.rmtree(toy_copy.path / "store.zarr" / "checkpoints")
    run = type(toy_copy)(toy_copy.path)
    for lane in run.lanes:
        lanes.write_seal(run.path, lane, replace(run.seal(lane), checkpoints=()))
    result = probe.ask(run, Options())
    unknown = {str(name) for name in result.data_vars if bool(result[name].isnull().any())}
    assert {"bit_flip_accuracy", "accuracy_ordered", "multiply_adds_per_member"} <= unknown
    assert result["accuracy"].notnull().all()
    assert result["accuracy_ordered"].sel(removal="greedy").notnull().all()
