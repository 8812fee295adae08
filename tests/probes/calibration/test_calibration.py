import math

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm
from sklearn.metrics import log_loss

from jtdiag.probing.contract import Options
from jtdiag.store import layout
from jtdiag.testing import ProbePromises, toy_run
from jtdiag_probes.calibration import calibration, confidence_gap, reliability
from jtdiag_probes.calibration.calibration import probe


@pytest.mark.slow
class TestCalibration(ProbePromises):
    probe = probe


@pytest.fixture(scope="module")
def result(toy):
    return probe.ask(toy, Options())


def stored_outputs(run, lane, split, epoch):
    blocks = list(run.outputs(lane, epoch, split))
    logits = np.concatenate([b.logits for b in blocks], 1).astype(float)
    return logits, np.concatenate([b.target for b in blocks])


def test_every_lane_is_measured_at_the_epoch_chosen_on_validation(toy, result):
    for lane in toy.lanes:
        index = (lane.lam_index, lane.trial)
        assert result["measured_epoch"].values[index] == toy.chosen_epoch(lane)


def test_losses_are_those_of_the_metrics_and_of_scikit_learn(toy, result):
    metrics = toy.metrics()
    for lane in toy.lanes:
        index = {"lam": lane.lam_index, "trial": lane.trial}
        epoch = toy.chosen_epoch(lane)
        stored = metrics.isel(index).sel(split=["val", "test"], epoch=epoch)
        measured = result.isel(index).sel(split=["val", "test"])
        np.testing.assert_allclose(measured["member_loss"], stored["member_loss"], rtol=1e-6)
        np.testing.assert_allclose(measured["ensemble_loss"], stored["ensemble_loss"], rtol=1e-6)
        logits, target = stored_outputs(toy, lane, "test", epoch)
        q = np.exp(logits[1])
        sklearns = log_loss(target, q / q.sum(-1, keepdims=True))
        assert float(measured["member_loss"].sel(split="test", member=1)) == pytest.approx(
            sklearns, rel=1e-6
        )


def test_scores_are_of_the_mean_logits_and_of_each_members(toy, result):
    lane = toy.lanes[1]
    logits, target = stored_outputs(toy, lane, "test", toy.chosen_epoch(lane))
    measured = result.isel(lam=lane.lam_index, trial=lane.trial).sel(split="test")
    for name, of_predictor, rows in (
        ("ensemble", measured, logits.mean(0)),
        ("member", measured.sel(member=2), logits[2]),
    ):
        temperature = float(of_predictor[f"{name}_temperature"])
        expected = calibration.scores(rows, target, temperature)
        for score, value in expected.items():
            np.testing.assert_allclose(
                of_predictor[f"{name}_{score}"], value, rtol=1e-12, err_msg=score
            )


def test_the_temperature_is_fitted_on_val_and_not_on_test(toy, result):
    for lane in toy.lanes:
        logits, target = stored_outputs(toy, lane, "val", toy.chosen_epoch(lane))
        fitted = [reliability.temperature(rows, target) for rows in (logits.mean(0), *logits)]
        measured = result.isel(lam=lane.lam_index, trial=lane.trial)
        np.testing.assert_allclose(
            [measured["ensemble_temperature"], *measured["member_temperature"]], fitted, rtol=1e-12
        )
    on_val = result.sel(split="val")
    assert (on_val["ensemble_loss_scaled"] <= on_val["ensemble_loss"]).all()
    assert (on_val["member_loss_scaled"] <= on_val["member_loss"]).all()


def test_training_is_not_measured_if_its_outputs_are_not_stored(result):
    on_train = result.sel(split="train")
    assert all(
        on_train[name].isnull().all() for name in calibration.WRITES if name.endswith("_ece")
    )


@pytest.mark.slow
def test_members_read_in_groups_and_chunks_give_the_same(tmp_path, monkeypatch):
    expected = probe.ask(toy_run(tmp_path, trials=1, lam=[0.9]), Options())
    (tmp_path / "again").mkdir()
    monkeypatch.setattr(layout, "CHUNK_BYTES", 300)
    monkeypatch.setattr(calibration, "READ_BYTES", 4 * 40 * 3 * 2)
    run = toy_run(tmp_path / "again", trials=1, lam=[0.9])
    assert [group for _, group in calibration._groups(run)] == [
        slice(0, 1),
        slice(0, 2),
        slice(2, 3),
    ]
    assert len(list(run.outputs(run.lanes[0], 4, "test"))) > 3
    xr.testing.assert_allclose(probe.ask(run, Options()), expected, rtol=1e-12)


@pytest.mark.slow
def test_without_val_there_is_no_temperature_and_the_finding_names_what_to_store(tmp_path):
    run = toy_run(tmp_path, trials=1, lam=[0.9], keep={"splits": ["test"]})
    result = probe.ask(run, Options())
    assert result["ensemble_temperature"].isnull().all()
    assert result["ensemble_ece_scaled"].isnull().all()
    assert result["ensemble_ece"].sel(split="test").notnull().all()
    result["gap_low"][:] = 0.01
    [finding] = probe.judge(result)
    advice = ' Store the outputs of val (keep.splits = ["val", "test"]) to fit a temperature.'
    assert finding.sentence.endswith(advice)


@pytest.mark.slow
def test_the_last_epoch_kept_stands_in_for_a_chosen_one_that_is_not(tmp_path):
    run = toy_run(tmp_path, trials=1, lam=[0.9], keep={"outputs": [0, 1]})
    assert run.chosen_epoch(run.lanes[0]) > 1
    result = probe.ask(run, Options())
    assert result["measured_epoch"].item() == 1
    assert result["ensemble_ece"].sel(split="test").notnull().all()


def test_without_outputs_there_is_no_finding(small_run):
    result = probe.ask(small_run, Options())
    assert (result["measured_epoch"] == -1).all()
    assert probe.judge(result) == []


@pytest.mark.slow
def test_a_member_that_diverged_is_nan_and_so_is_the_ensemble(by_hand):
    logits = np.random.default_rng(0).normal(0, 1, (1, 1, 1, 3, 40, 5))
    logits[0, 0, 0, 1, 7, 2] = np.nan
    run = by_hand(
        np.full((1, 1, 1, 3, 3), 0.5),
        np.full((1, 1, 1, 3), 0.5),
        lam=(0.5,),
        epochs=1,
        classes=5,
        logits={"test": logits},
        target={"test": np.arange(40) % 5},
    ).seal_all()
    result = probe.ask(run, Options()).sel(split="test").squeeze()
    assert result["member_ece"].notnull().values.tolist() == [True, False, True]
    assert result["ensemble_ece"].isnull()
    assert probe.judge(probe.ask(run, Options())) == []


# --- findings -------------------------------------------------------------------------------------


def changed_finding(result, low=-0.01, high=0.03, p=1.0, **changes):
    """The finding at λ = 0.9, with another interval of the gap and another p value."""
    changed = result.copy(deep=True)
    changed["gap_low"][:], changed["gap_high"][:] = low, high
    changed["ensemble_ece_p"][:] = p
    changed["ensemble_gap"].loc[{"split": "test"}] = (low + high) / 2
    for name, value in changes.items():
        changed[name][:] = value
    return next(f for f in probe.judge(changed) if f.lam == 0.9)


@pytest.mark.parametrize(
    ("low", "high", "p", "verdict"),
    [
        (0.01, 0.03, 1.0, "the ensemble is overconfident"),
        (-0.03, -0.01, 1.0, "the ensemble is underconfident"),
        (-0.01, 0.01, 0.001, "the ensemble is miscalibrated"),
        (-0.01, 0.01, 0.01, "no miscalibration was detected"),  # six tests and two trials: 0.12
    ],
)
def test_a_verdict_needs_an_interval_without_0_or_a_corrected_p_value(
    result, low, high, p, verdict
):
    finding = changed_finding(result, low, high, p)
    assert finding.sentence.startswith(f"λ = 0.9: {verdict}")
    assert finding.headline == f"{verdict} at λ = 0.9"
    assert finding.number == pytest.approx((low + high) / 2)
    assert ("temperature" in finding.sentence) == ("no misc" not in verdict)


def test_a_finding_of_nothing_gives_the_difference_that_would_have_been_detected(result):
    size = 2 * (1 + norm.ppf(0.8) / norm.isf(0.025 / 6))  # half of the interval is 2 points
    assert f" A difference of {size:.1f} points would have been detected with a probability" in (
        changed_finding(result, -0.01, 0.03).sentence
    )


def test_the_wider_interval_includes_examples_and_trials(result):
    changed = result.sel(lam=[0.9]).copy(deep=True)
    changed["gap_low"][:], changed["gap_high"][:] = -0.01, 0.03
    changed["ensemble_gap"].loc[{"split": "test"}] = [0.0099, 0.0101]  # ± 0.0127, Student, 1 degree
    [finding] = probe.judge(changed)
    reach = math.hypot(2, 12.706 * 0.01)
    assert f"test examples and trials: {1 - reach:+.1f} to {1 + reach:+.1f}".replace("-", "−") in (
        finding.sentence
    )


def test_a_temperature_that_was_not_fitted_is_not_reported(result):
    sentence = changed_finding(
        result, 0.01, 0.03, ensemble_temperature=np.nan, ensemble_ece_scaled=np.nan
    ).sentence
    assert "No temperature was fitted" in sentence
    assert "nan" not in sentence


def test_trials_in_which_a_member_diverged_are_left_out_and_counted(result):
    changed = result.copy(deep=True)
    changed["ensemble_ece"].loc[{"lam": 0.9, "trial": 1}] = np.nan
    finding = next(f for f in probe.judge(changed) if f.lam == 0.9)
    assert finding.trials == (0,)
    assert "without 1 trial in which a member diverged" in finding.sentence
    assert "for the trained ensemble" in finding.sentence


@pytest.mark.slow
def test_a_single_member_is_not_compared_with_members(tmp_path):
    run = toy_run(tmp_path, trials=1, lam=[0.5], members={"count": 1}, train={"epochs": 1})
    [finding] = probe.judge(probe.ask(run, Options()))
    assert "member" not in finding.sentence


def test_the_interval_is_that_of_the_stored_outputs(toy, result):
    lanes = [lane for lane in toy.lanes if toy.lam(lane) == 0.9]
    confidence, right = [], []
    for lane in lanes:
        logits, target = stored_outputs(toy, lane, "test", toy.chosen_epoch(lane))
        q = np.exp(logits.mean(0))
        q /= q.sum(-1, keepdims=True)
        confidence.append(q.max(-1))
        right.append(q.argmax(-1) == target)
    ends = confidence_gap.interval(confidence, right, 0.025 / 6)
    assert [float(result[n].sel(lam=0.9)) for n in ("gap_low", "gap_high")] == pytest.approx(ends)
    gaps = [c.mean() - r.mean() for c, r in zip(confidence, right, strict=True)]
    np.testing.assert_allclose(result["ensemble_gap"].sel(lam=0.9, split="test"), gaps)
