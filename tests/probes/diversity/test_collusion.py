import numpy as np
import pytest
import xarray as xr

from jtdiag.probing.contract import Options
from jtdiag.store import layout
from jtdiag.testing import ProbePromises, toy_run
from jtdiag_probes.diversity import collusion
from jtdiag_probes.diversity.collusion import probe


@pytest.mark.slow
class TestCollusion(ProbePromises):
    probe = probe


@pytest.fixture(scope="module")
def result(toy):
    return probe.ask(toy, Options())


def whole(run, lane, split, epoch):
    blocks = list(run.outputs(lane, epoch, split))
    logits = np.concatenate([b.logits for b in blocks], 1).astype(float)
    return logits, np.concatenate([b.target for b in blocks])


def test_losses_are_those_of_the_metrics_at_the_chosen_epoch(toy, result):
    metrics = toy.metrics()
    for lane in toy.lanes:
        index = {"lam": lane.lam_index, "trial": lane.trial}
        stored = metrics.isel(index).sel(epoch=toy.chosen_epoch(lane))
        at_lane = result.isel(index)
        np.testing.assert_allclose(at_lane["ensemble_loss"], stored["ensemble_loss"])
        np.testing.assert_allclose(
            at_lane["mean_member_loss"], stored["member_loss"].mean("member")
        )
    np.testing.assert_allclose(
        result["diversity"], result["mean_member_loss"] - result["ensemble_loss"], atol=1e-14
    )


def test_changes_are_against_independent_training_in_the_same_trial(result):
    for name in ("ensemble_loss", "mean_member_loss", "diversity"):
        change = result[f"{name}_change"]
        assert (change.sel(lam=0) == 0).all()
        slow = result[name].values - result[name].values[[0]]
        np.testing.assert_allclose(change, slow, atol=1e-15)
    gain = result["mean_member_loss_change"] - result["diversity_change"]
    np.testing.assert_allclose(result["ensemble_loss_change"], gain, atol=1e-14)


@pytest.mark.slow
def test_without_independent_training_there_is_nothing_to_compare_with(tmp_path):
    result = probe.ask(toy_run(tmp_path, trials=1, lam=[0.9, 1.0]), Options())
    assert result["diversity_change"].isnull().all()
    assert "pure-collusion" not in {f.rule for f in probe.judge(result)}


def test_debiased_diversity_is_that_of_logits_without_their_means(toy, result):
    for lane in toy.lanes:
        logits, _ = whole(toy, lane, "test", toy.chosen_epoch(lane))
        logits -= logits.mean(-1, keepdims=True)
        bias = logits.mean(1, keepdims=True)
        shifted = logits - bias + bias.mean(0)
        lse = np.log(np.exp(shifted).sum(-1)).mean(0)
        slow = (lse - np.log(np.exp(shifted.mean(0)).sum(-1))).mean()
        at_lane = result.isel(lam=lane.lam_index, trial=lane.trial).sel(split="test")
        assert float(at_lane["debiased_diversity"]) == pytest.approx(slow, rel=1e-10)
        share = 1 - slow / float(at_lane["diversity"])
        assert float(at_lane["bias_share"]) == pytest.approx(share, rel=1e-5)


def test_what_dropping_costs_is_compared_with_the_prediction(result):
    on_test = result.sel(split="test")
    kept = [3, 2, 2]
    for i, m in enumerate(kept):
        predicted = on_test["diversity"] * (3 - m) / (m * 2)
        np.testing.assert_allclose(on_test["predicted_rise"][..., i], predicted, rtol=1e-5)
    np.testing.assert_allclose(
        on_test["drop_excess"], on_test["drop_rise"] - on_test["predicted_rise"], atol=1e-14
    )
    np.testing.assert_allclose(on_test["drop_rise"][..., 0], 0, atol=1e-12)
    assert (on_test["drop_rise_se"][..., 1] > 0).all()


@pytest.mark.slow
def test_all_lambdas_of_a_trial_drop_the_same_members(toy, monkeypatch):
    seeds = []
    make = np.random.default_rng
    monkeypatch.setattr(np.random, "default_rng", lambda seed: seeds.append(seed) or make(seed))
    probe.ask(toy, Options())
    assert {tuple(seed) for seed in seeds} == {
        (toy.recipe.seed, trial, collusion.STREAM) for trial in (0, 1)
    }


@pytest.mark.slow
def test_training_is_of_running_means_unless_its_outputs_are_kept(toy, result, tmp_path):
    assert (result["train_is_running"] == 1).all()
    run = toy_run(tmp_path, keep={"splits": ["train", "test"]})
    kept = probe.ask(run, Options())
    assert (kept["train_is_running"] == 0).all()
    lane = run.lanes[1]
    logits, target = whole(run, lane, "train", run.chosen_epoch(lane))
    mean = logits.mean(0)
    loss = np.log(np.exp(mean).sum(-1)) - mean[np.arange(len(target)), target]
    at_lane = kept.isel(lam=lane.lam_index, trial=lane.trial)
    assert float(at_lane["ensemble_loss"].sel(split="train")) == pytest.approx(loss.mean())
    gap = float(at_lane["ensemble_loss"].sel(split="test")) - loss.mean()
    assert float(at_lane["generalisation_gap"]) == pytest.approx(gap)
    ratio = at_lane["diversity"].sel(split="train") / at_lane["diversity"].sel(split="test")
    assert float(at_lane["diversity_ratio"]) == pytest.approx(float(ratio))
    assert all("running means" not in f.sentence for f in probe.judge(kept))


@pytest.mark.slow
def test_chunked_reading_gives_the_same(tmp_path, monkeypatch):
    unchunked = probe.ask(toy_run(tmp_path, trials=1, lam=[0.9]), Options())
    (tmp_path / "again").mkdir()
    monkeypatch.setattr(layout, "CHUNK_BYTES", 300)
    run = toy_run(tmp_path / "again", trials=1, lam=[0.9])
    assert len(list(run.outputs(run.lanes[0], 4, "test"))) > 3
    xr.testing.assert_allclose(probe.ask(run, Options()), unchunked, rtol=1e-10)


@pytest.mark.slow
def test_one_member_has_no_diversity_to_judge(tmp_path):
    run = toy_run(tmp_path, trials=1, lam=[0.0, 0.9], members={"count": 1})
    result = probe.ask(run, Options())
    np.testing.assert_allclose(result["diversity"].sel(split="test"), 0, atol=1e-7)
    assert {f.rule for f in probe.judge(result)} <= {"generalisation-gap", "hollow-diversity"}


# --- what it says ---------------------------------------------------------------------------------


def changed(result, more, gain):
    """The result with another change on test at λ = 0.9, by trial."""
    result = result.copy(deep=True)
    index = {"lam": 0.9, "split": "test"}
    result["diversity_change"].loc[index] = more
    result["ensemble_loss_change"].loc[index] = -np.asarray(gain)
    findings = [f for f in probe.judge(result) if f.rule == "pure-collusion" and f.lam == 0.9]
    return findings[0] if findings else None


def test_diversity_that_buys_nothing_is_collusion(result):
    finding = changed(result, [2.0, 4.0], [-0.1, 0.05])
    assert finding.number == pytest.approx(-0.025 / 3)
    assert finding.sentence.startswith(
        "λ = 0.9: learner collusion: compared with λ = 0, the diversity on test is 3 nats higher, "
        "but the members' mean loss is higher by about as much, and the ensemble's loss is 0.025 ± "
        "0.075 nats higher (not lower by more than two standard errors)."
    )


def test_a_small_gain_is_reported_as_its_share(result):
    finding = changed(result, [5.0, 5.0], [0.1, 0.1])
    assert "mostly learner collusion" in finding.sentence
    assert "the ensemble's loss is 0.1 ± 0 nats lower, 2 % of that." in finding.sentence


def test_diversity_that_pays_is_not_collusion(result):
    assert changed(result, [1.0, 1.0], [0.5, 0.5]) is None
    assert changed(result, [-0.1, -0.1], [0.5, 0.5]) is None


def test_the_share_of_offsets_is_reported_for_each_lambda(result):
    findings = {f.lam: f for f in probe.judge(result) if f.rule == "hollow-diversity"}
    assert list(findings) == [0.0, 0.9, 1.0]
    for lam, finding in findings.items():
        on_test = result.sel(lam=lam, split="test")
        assert finding.number == pytest.approx(float(on_test["bias_share"].mean()))
        rise = float(on_test["drop_rise"].sel(dropped=0.4).mean())
        assert (
            f"changes the ensemble's loss by {rise:+.3g} nats".replace("-", "−") in finding.sentence
        )
        inflated = "offsets of the logits that cancel" in finding.sentence
        assert inflated == (finding.number > 0)


def test_the_gap_is_compared_with_that_of_independent_training(result):
    findings = {f.lam: f for f in probe.judge(result) if f.rule == "generalisation-gap"}
    alone = float(result["generalisation_gap"].sel(lam=0).mean())
    assert (
        f"({abs(alone):.3g} nats {'higher' if alone > 0 else 'lower'} at λ = 0)"
        in findings[0.9].sentence
    )
    assert "at λ = 0" not in findings[0.0].sentence
    assert findings[0.9].sentence.endswith("Training values are running means over the epoch.")
