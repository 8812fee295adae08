import math

import numpy as np
import pytest
from scipy.special import log_softmax

from jtdiag.probing.contract import Options
from jtdiag.testing import ProbePromises, toy_run
from jtdiag_probes.combining import meta_learner
from jtdiag_probes.combining.meta_learner import features, fit
from jtdiag_probes.combining.stacking import probe


@pytest.mark.slow
class TestStacking(ProbePromises):
    probe = probe


@pytest.fixture(scope="module")
def result(toy):
    return probe.ask(toy, Options())


def outputs(run, lane, split):
    blocks = list(run.outputs(lane, run.chosen_epoch(lane), split))
    return np.concatenate([b.logits for b in blocks], 1), run.target(split, lane)


@pytest.mark.slow
def test_the_combiner_is_fitted_on_validation_and_measured_on_both(toy, result):
    for lane in toy.lanes:
        if toy.lam(lane):
            continue
        logits, target = outputs(toy, lane, "val")
        learner = fit(features(logits), target, 3)
        at_lam = result.sel(lam=0).isel(trial=lane.trial)
        np.testing.assert_array_equal(at_lam["coefficient"], learner.coefficient)
        np.testing.assert_array_equal(at_lam["intercept"], learner.intercept)
        assert at_lam["iterations"] == learner.iterations
        for split in ("val", "test"):
            logits, target = outputs(toy, lane, split)
            # With the stored coefficients, member by member.
            stacked_logits = at_lam["intercept"].values + sum(
                logits[j] @ at_lam["coefficient"].values[:, j].T for j in range(3)
            )
            rows = np.arange(len(target))
            by_split = at_lam.sel(split=split)
            assert by_split["stacked_error"] == np.mean(stacked_logits.argmax(-1) != target)
            loss = -log_softmax(stacked_logits, -1)[rows, target].mean()
            assert float(by_split["stacked_loss"]) == pytest.approx(loss, rel=1e-12)
            metrics = toy.metrics().sel(lam=0, split=split, epoch=toy.chosen_epoch(lane))
            assert by_split["averaged_error"] == metrics["ensemble_error"][lane.trial]
            stacked = stacked_logits.argmax(-1) != target
            averaged = logits.mean(0).argmax(-1) != target
            assert by_split["stacked_only_wrong"] == (stacked & ~averaged).sum()
            assert by_split["averaged_only_wrong"] == (averaged & ~stacked).sum()


def test_members_that_were_trained_together_are_not_stacked(result):
    for name, values in result.data_vars.items():
        assert np.isnan(values.sel(lam=[0.9, 1])).all(), name


def test_means_and_standard_errors_are_over_trials(result):
    for name in ("stacked_error", "stacked_loss", "averaged_error"):
        a, b = result[name].sel(lam=0, split="test").values
        on_test = result.sel(lam=0, split="test")
        assert float(on_test[f"{name}_mean"]) == pytest.approx((a + b) / 2)
        assert float(on_test[f"{name}_se"]) == pytest.approx(abs(a - b) / 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"keep": {"splits": ["test"]}},
        {"keep": {"outputs": [0]}},
        {"data": {"val": 0}, "keep": {"splits": ["test"]}},
    ],
    ids=["no validation outputs", "not the chosen epoch", "no validation"],
)
def test_without_the_outputs_that_fitting_needs_there_is_no_finding(tmp_path, changes):
    run = toy_run(tmp_path, lam=[0.0], trials=1, train={"epochs": 2}, **changes)
    result = probe.ask(run, Options())
    assert np.isnan(result["stacked_error"]).all()
    assert probe.judge(result) == []


@pytest.mark.slow
def test_a_stacking_recipe_is_a_run_that_can_be_stacked(tmp_path):
    run = toy_run(tmp_path, lam=[0.0], trials=1, scheme="stacking")
    result = probe.ask(run, Options())
    assert np.isfinite(result["stacked_error"]).all()
    [finding] = probe.judge(result)
    assert finding.number == result["stacked_error"].sel(lam=0, split="test").item()


def test_the_finding_compares_with_the_mean_of_the_logits(result):
    changed = result.copy(deep=True)
    for name, numbers in (("stacked_error", [0.10, 0.12]), ("averaged_error", [0.20, 0.21])):
        index = {"lam": 0, "split": "test"}
        changed[name].loc[index] = numbers
        changed[f"{name}_mean"].loc[index] = np.mean(numbers)
        changed[f"{name}_se"].loc[index] = np.std(numbers, ddof=1) / math.sqrt(2)
    [finding] = probe.judge(changed)
    assert finding.sentence == (
        "λ = 0: a combiner trained on the validation outputs of the members has a test error of "
        "11.0 % (95 % interval 0.0 to 23.7 %); their averaged logits have 20.5 % (95 % interval "
        "14.1 to 26.9 %). Difference: −9.50 percentage points (95 % interval −15.85 to −3.15)."
    )
    changed["stacked_error"].loc[{"lam": 0, "split": "test"}] = [0.10, 0.21]
    [finding] = probe.judge(changed)
    assert ", not significant; a difference of " in finding.sentence


def test_a_single_trial_is_tested_over_examples(result):
    changed = result.copy(deep=True).sel(trial=[0])
    index = {"lam": 0, "split": "test"}
    changed["stacked_error"].loc[index], changed["averaged_error"].loc[index] = 0.3, 0.1
    changed["stacked_only_wrong"].loc[index], changed["averaged_only_wrong"].loc[index] = 8, 0
    [finding] = probe.judge(changed)
    assert finding.sentence.endswith(
        "in a single trial (only the former is wrong on 8 test "
        "examples, only the latter on 0; McNemar's test, p = 0.0078)."
    )


def test_a_fit_that_did_not_converge_is_reported(toy, monkeypatch):
    monkeypatch.setattr(meta_learner, "ITERATIONS", 1)
    result = probe.ask(toy, Options())
    assert (result["iterations"].sel(lam=0) == -1).all()
    _, finding = probe.judge(result)
    assert (finding.rule, finding.trials) == ("unfinished", (0, 1))
    assert "in 2 trials" in finding.sentence


def test_a_single_member_is_not_combined(result):
    assert probe.judge(result.isel(member=[0])) == []
