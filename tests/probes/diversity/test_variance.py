import re

import numpy as np
import pytest
import xarray as xr
import zarr
from scipy.special import log_softmax

from jtdiag import stats
from jtdiag.probing.contract import Options
from jtdiag.store import layout
from jtdiag.testing import ProbePromises, toy_run
from jtdiag_probes.diversity import variance
from jtdiag_probes.diversity.bias_variance import TERMS, Sums
from jtdiag_probes.diversity.variance import probe
from jtdiag_probes.shared.class_logits import ClassLogits


@pytest.mark.slow
class TestVariance(ProbePromises):
    probe = probe


@pytest.fixture(scope="module")
def result(toy):
    return probe.ask(toy, Options())


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    """Four trials of one λ, of which outputs are kept in pieces of some examples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "CHUNK_BYTES", 300)
        folder = tmp_path_factory.mktemp("four")
        return toy_run(folder, trials=4, lam=[0.9], train={"epochs": 1}, keep={"splits": ["test"]})


def log_q_of(run, lam_index):
    """Log-probabilities (D, M, n, K) on test, each trial at its chosen epoch, and classes."""
    group = zarr.open_group(run.path / "store.zarr", mode="r")["outputs/test"]
    chosen = [run.chosen_epoch(lane) for lane in run.lanes if lane.lam_index == lam_index]
    logits = [group["logits"][lam_index, t, e].astype(float) for t, e in enumerate(chosen)]
    return log_softmax(np.stack(logits), -1), group["target"][...]


def means_of(log_q, target):
    total = Sums.of(log_q[0])
    for trial in log_q[1:]:
        total = total + Sums.of(trial)
    return {name: value.mean() for name, value in total.terms(target).items()}


def test_terms_are_those_of_the_stored_outputs_at_the_chosen_epochs(toy, result):
    for i in range(3):
        expected = means_of(*log_q_of(toy, i))
        for name in TERMS:
            assert float(result[name][i]) == pytest.approx(expected[name], abs=1e-12)
    assert (result["trials"] == 2).all()


@pytest.mark.slow
def test_terms_of_outputs_read_in_many_chunks_are_the_same(four):
    assert len(list(four.outputs(four.lanes[0], 1, "test"))) > 3
    result = probe.ask(four, Options()).isel(lam=0)
    expected = means_of(*log_q_of(four, 0))
    for name in TERMS:
        assert float(result[name]) == pytest.approx(expected[name], abs=1e-12)


@pytest.mark.slow
def test_standard_errors_are_those_of_leaving_each_trial_out(four):
    result = probe.ask(four, Options()).isel(lam=0)
    log_q, target = log_q_of(four, 0)
    without = [means_of(np.delete(log_q, t, 0), target) for t in range(4)]
    for name in TERMS:
        values = [terms[name] for terms in without]
        expected = np.sqrt(3 / 4 * np.sum((values - np.mean(values)) ** 2))
        assert float(result[f"{name}_se"]) == pytest.approx(expected, rel=1e-9)


def test_the_expected_loss_is_the_engines_and_so_is_its_standard_error(toy, result):
    loss = toy.metrics()["ensemble_loss"].sel(split="test")
    for i, expected_loss in enumerate(result["expected_loss"].values):
        trials = [
            float(loss.isel(lam=i, trial=lane.trial, epoch=toy.chosen_epoch(lane)))
            for lane in toy.lanes
            if lane.lam_index == i
        ]
        assert expected_loss == pytest.approx(np.mean(trials), abs=1e-7)
        se = np.std(trials, ddof=1) / np.sqrt(2)
        assert float(result["expected_loss_se"][i]) == pytest.approx(se, abs=1e-7)


def test_with_two_trials_only_means_have_a_standard_error(result):
    for name in TERMS:
        has_se = result[f"{name}_se"].notnull().all()
        assert bool(has_se) == (name in ("expected_loss", "diversity"))


def test_the_sums_of_terms_fit_to_rounding(result):
    assert float(result["residual"].max()) < 1e-12
    whole = result["average_bias"] + result["average_variance"] - result["diversity"]
    np.testing.assert_allclose(whole, result["expected_loss"], rtol=0, atol=1e-12)


@pytest.mark.slow
def test_a_wrong_divergence_raises_the_alarm(toy, monkeypatch):
    right = ClassLogits.divergences.func
    wrong = property(lambda logits: right(logits) * (1 + 1e-6))
    monkeypatch.setattr(ClassLogits, "divergences", wrong)
    [alert] = [f for f in probe.judge(probe.ask(toy, Options())) if f.level == "alert"]
    assert (alert.rule, alert.limit) == ("residual", variance.RESIDUAL_LIMIT)
    assert alert.number > 1e-12


@pytest.mark.slow
def test_a_trial_that_diverged_is_left_out(toy, result, monkeypatch):
    metrics = toy.metrics().copy(deep=True)
    for lam, trial in ((0, 1), (1, 0), (1, 1)):
        metrics["ensemble_loss"][{"lam": lam, "trial": trial, "epoch": slice(1, None)}] = np.nan
    monkeypatch.setattr(type(toy), "metrics", lambda run: metrics)
    measured = probe.ask(toy, Options())
    assert measured["trials"].values.tolist() == [1, 0, 2]
    assert measured["expected_loss"].isel(lam=[0, 1]).isnull().all()
    xr.testing.assert_equal(measured.isel(lam=2), result.isel(lam=2))
    assert {f.lam for f in probe.judge(measured)} == {1.0}


def test_each_lambda_has_a_sentence_and_the_best_a_comparison(result):
    findings = probe.judge(result)
    assert [(f.rule, f.lam) for f in findings[:3]] == [("terms", lam) for lam in (0.0, 0.9, 1.0)]
    for finding in findings[:3]:
        at_lam = result.sel(lam=finding.lam)
        assert finding.number == float(at_lam["expected_loss"])
        for name in ("average_bias", "average_variance"):
            assert f"{float(at_lam[name]):.3g} nats" in finding.sentence
        by_trial = at_lam["ensemble_loss"].values
        low, high = stats.mean_interval(by_trial).within(0, np.inf)[1:]
        text = re.search(r"expected loss, .*? interval (\S+) to (\S+) nats", finding.sentence)
        assert [float(end.replace("−", "-")) for end in text.groups()] == pytest.approx(
            [low, high], rel=0.1
        )
    best = float(result["lam"][int(np.argmin(result["expected_loss"].values))])
    [change] = findings[3:]
    assert (change.rule, change.lam) == ("change", best)
    assert change.number == pytest.approx(
        float(result["expected_loss"].min() - result["expected_loss"][0])
    )


def terms(losses, **of):
    """A result at λ = 0, 0.5 and 0.9 with losses by trial, in which all else is 0."""
    names = [*TERMS, *(f"{name}_se" for name in TERMS), "residual"]
    values = {name: ("lam", of.get(name, [0.0, 0.0, 0.0])) for name in names}
    values["expected_loss"] = ("lam", np.mean(losses, 1))
    values["trials"] = ("lam", [len(losses[0])] * 3)
    values["ensemble_loss"] = (("lam", "trial"), losses)
    return xr.Dataset(values, coords={"lam": [0.0, 0.5, 0.9]})


def test_a_significant_change_is_split_into_its_terms():
    result = terms(
        [[0.5, 0.51, 0.49, 0.5], [0.6] * 4, [0.401, 0.409, 0.391, 0.399]],
        average_bias=[0.5, 0.5, 0.7],
        diversity=[0.1, 0.1, 0.4],
    )
    [change] = [f for f in probe.judge(result) if f.rule == "change"]
    assert change.number == pytest.approx(-0.1)
    assert change.sentence.startswith("λ = 0.9 has the lowest mean loss. Compared with λ = 0 it")
    assert change.sentence.endswith(
        ": average bias +0.2, average variance +0, diversity +0.3, which is subtracted."
    )


def test_a_change_that_is_not_significant_for_all_pairs_is_not_explained():
    losses = np.array([[0.50, 0.55, 0.49], [0.6, 0.61, 0.6], [0.40, 0.42, 0.42]])
    difference = losses[2] - losses[0]
    assert stats.paired(difference).significant  # of one pair that was not selected
    assert not stats.paired(difference, 3).significant
    [change] = [f for f in probe.judge(terms(losses.tolist())) if f.rule == "change"]
    size = stats.smallest_detectable(difference, 3)
    assert change.sentence.endswith(
        f"is not significant; a difference of {size:.2g} nats would have been detected with a "
        "probability of 80 %."
    )


def test_where_the_smallest_lambda_is_best_nothing_is_compared():
    result = terms([[0.4, 0.41], [0.5, 0.5], [0.6, 0.5]])
    assert {f.rule for f in probe.judge(result)} == {"terms"}
    assert all("nan" not in f.sentence for f in probe.judge(result))
