from collections import Counter

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.stats import t as student

from jtdiag import families, names
from jtdiag.probing.contract import Options
from jtdiag.testing import ProbePromises
from jtdiag_probes.combining.combiners import by_combiner, probe

CLASSES = families.find("categorical")


@pytest.mark.slow
class TestCombiners(ProbePromises):
    probe = probe


def some_logits(members=5, examples=40, classes=3):
    random = np.random.default_rng(3)
    return (
        random.normal(0, 2, (members, examples, classes)),
        random.integers(0, classes, examples),
    )


def test_votes_are_counted_one_by_one():
    logits, target = some_logits(members=4)  # of four, ties occur
    values = by_combiner(logits, target, CLASSES)["vote_error"]
    ties = 0
    for n in range(40):
        votes = Counter(int(row.argmax()) for row in logits[:, n])
        most = [k for k, count in votes.items() if count == max(votes.values())]
        ties += len(most) > 1
        assert values[n] == pytest.approx(1 - (target[n] in most) / len(most))
    assert ties


def test_labels_are_voted_on_one_by_one_and_a_tie_is_half_wrong():
    logits = np.array([[[1.0, -1, 1]], [[1.0, -1, -1]]])
    values = by_combiner(logits, np.array([[1, 1, 0]]), families.find("bernoulli"))
    assert values["vote_error"].tolist() == [(0 + 1 + 0.5) / 3]


def test_a_member_that_is_nan_has_no_vote():
    logits = np.array([[[1.0, 0]], [[np.nan, 0]], [[np.nan, 0]], [[2.0, 0]]])
    assert by_combiner(logits, np.array([0]), CLASSES)["vote_error"].tolist() == [0.0]


def test_numbers_are_not_voted_on_and_have_no_label_term():
    logits = np.random.default_rng(0).normal(size=(3, 5, 2))
    values = by_combiner(logits, np.zeros((5, 2)), families.find("gaussian"))
    assert np.isnan(values["vote_error"]).all()
    assert np.isnan(values["label_term"]).all()
    np.testing.assert_allclose(values["logits_error"], values["probabilities_error"], rtol=1e-12)
    assert (values["logits_loss"] != values["probabilities_loss"]).all()


def test_errors_and_losses_of_classes_are_the_definition_written_out():
    logits, target = some_logits()
    q = torch.softmax(torch.from_numpy(logits), -1).numpy()
    mean = q.mean(0)
    values = by_combiner(logits, target, CLASSES)
    assert values["probabilities_error"].tolist() == (mean.argmax(-1) != target).tolist()
    assert values["logits_error"].tolist() == (logits.mean(0).argmax(-1) != target).tolist()
    own = mean[np.arange(40), target]
    np.testing.assert_allclose(values["probabilities_loss"], -np.log(own), rtol=1e-12)
    without_label = (mean * (np.log(mean) - np.log(q))).sum(-1).mean(0)
    member = -np.log(q[:, np.arange(40), target]).mean(0)
    expected = member + np.log(own) - without_label
    np.testing.assert_allclose(values["label_term"], expected, atol=1e-12)


@pytest.mark.slow
def test_the_recipes_own_combiner_has_the_stored_error(toy):
    values = probe.ask(toy, Options())["logits_error"].sel(split=["val", "test"])
    stored = toy.metrics()[names.ENSEMBLE_ERROR].sel(split=["val", "test"])
    np.testing.assert_allclose(values.values, stored.values, atol=1e-12)


@pytest.mark.slow
def test_a_finding_for_each_lambda_compares_the_three(toy):
    findings = probe.judge(probe.ask(toy, Options()))
    assert [f.lam for f in findings] == [0.0, 0.9, 1.0]
    for words in ("averaged logits", "averaged probabilities", "majority vote"):
        assert words in findings[0].sentence


def test_without_outputs_there_is_no_finding(toy):
    assert probe.judge(probe.ask(toy, Options(metrics_only=True))) == []


def changed(result, **errors):
    """The result with errors by trial, at the last epoch of λ = 0.9 on test."""
    result = result.copy(deep=True)
    index = {"lam": 0.9, "split": "test", "epoch": result["epoch"].values[-1]}
    for name, values in errors.items():
        result[name].loc[index] = values
    return next(f for f in probe.judge(result) if f.lam == 0.9)


@pytest.mark.slow
def test_other_combiners_are_compared_with_that_of_the_recipe_for_all_lambdas_together(toy):
    result = probe.ask(toy, Options())
    errors = {"logits_error": [0.1, 0.1], "probabilities_error": [0.11, 0.12]}
    sentence = changed(result, **errors, vote_error=[0.3, 0.3]).sentence
    reach = 100 * 0.005 * student.isf(0.025 / 6, 1)  # two other combiners at three λs
    ends = f"{1.5 - reach:+.2f} to {1.5 + reach:+.2f}".replace("-", "−")
    assert (
        f"Compared with averaged logits: averaged probabilities +1.50 percentage points (95 % "
        f"interval {ends}, not significant"
    ) in sentence
    assert "a majority vote +20.00 percentage points in each of 2 trials (no spread" in sentence


@pytest.mark.slow
def test_a_diverged_trial_is_left_out_and_said(toy):
    result = probe.ask(toy, Options())
    sentence = changed(
        result, logits_loss=[np.nan, 0.3], logits_error=[1.0, 0.1], vote_error=[1.0, 0.2]
    ).sentence
    assert "is 10.0 % with averaged logits" in sentence
    assert "in 1 of 2 trials" in sentence
    assert "a majority vote +10.00 percentage points in a single trial (not tested)" in sentence


def test_a_single_member_is_not_combined(toy):
    result = probe.ask(toy, Options(metrics_only=True))
    assert probe.judge(result.assign_attrs(members=1)) == []


def test_trials_whose_kept_epochs_differ_are_all_used():
    names_of_errors = ("logits_error", "probabilities_error", "vote_error")
    values = np.full((1, 3, 10, 1), np.nan)
    values[0, [0, 1, 2], [4, 7, 9], 0] = [0.1, 0.2, 0.3]
    dims = ("lam", "trial", "epoch", "split")
    result = xr.Dataset(
        dict.fromkeys((*names_of_errors, "logits_loss"), (dims, values))
        | {"last_epoch": (dims[:2], [[4, 7, 9]])},
        coords={"lam": [1.0], "epoch": np.arange(10), "split": ["test"]},
        attrs={"members": 2, "combiner": "logits"},
    )
    [finding] = probe.judge(result)
    assert finding.epoch is None
    assert "each trial (4 to 9), the test error of the same members is 20.0 %" in finding.sentence
