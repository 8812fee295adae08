import numpy as np
import pytest
import xarray as xr
from sklearn.metrics import log_loss

from jtdiag.probing.contract import Options
from jtdiag.store import layout
from jtdiag.testing import ProbePromises, toy_run
from jtdiag_probes.calibration import calibration, reliability
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
    result["ensemble_ece"][:] = 0.4
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


def changed_finding(result, error, gap):
    """The finding at λ = 0.9, with another error on test and confidence off by a gap."""
    changed = result.copy(deep=True)
    changed["ensemble_ece"].loc[{"split": "test"}] = error
    changed["ensemble_bin_confidence"].loc[{"split": "test"}] = (
        result["ensemble_bin_accuracy"].sel(split="test") + gap
    )
    return next(f for f in probe.judge(changed) if f.lam == 0.9)


@pytest.mark.parametrize(("gap", "direction"), [(0.1, "overconfident"), (-0.1, "underconfident")])
def test_the_finding_names_the_direction_of_miscalibration(result, gap, direction):
    finding = changed_finding(result, 0.5, gap)
    assert finding.sentence.startswith(f"λ = 0.9: the ensemble is {direction}: its")
    assert finding.headline == f"the ensemble is {direction} at λ = 0.9"


def test_an_error_that_chance_explains_is_no_miscalibration(result):
    finding = changed_finding(result, 0.0, 0.1)
    assert finding.sentence.startswith("λ = 0.9: no miscalibration was detected: the ensemble's")
    assert finding.headline == "no miscalibration was detected at λ = 0.9"
    assert "Temperature" not in finding.sentence


def test_the_sentence_gives_the_numbers(result):
    finding = changed_finding(result, 0.5, 0.1)
    on_test = result.sel(lam=0.9, split="test")
    assert finding.number == pytest.approx(0.5)
    assert finding.limit == pytest.approx(2 * float(on_test["ensemble_ece_by_chance"].mean()))
    temperature = float(result["ensemble_temperature"].sel(lam=0.9).mean())
    scaled = float(on_test["ensemble_ece_scaled"].mean())
    assert finding.sentence.endswith(
        f" Temperature scaling (T = {temperature:.2f}, fitted on val) reduces the ensemble's error "
        f"to {100 * scaled:.1f} %."
    )
    assert "on test is 50.0 ± 0.0 %, more than twice the" in finding.sentence
