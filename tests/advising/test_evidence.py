import numpy as np
import pytest
from scipy import stats

from jtdiag.advising.additive import fit
from jtdiag.advising.evidence import weigh


def test_the_interval_is_that_of_students_t_with_bonferronis_correction():
    random = np.random.default_rng(0)
    errors = {"a": random.normal(0.1, 0.01, 6), "b": random.normal(0.15, 0.01, 6)}
    weighed = weigh(errors, 10)
    difference = (errors["b"] - errors["a"])[1:]
    expected = stats.ttest_1samp(difference, 0).confidence_interval(1 - 0.05 / 7)
    assert weighed.comparisons == 7  # one pair, looked at after 3, 4, … 9 trials beside the first
    assert weighed.differences["b"] == pytest.approx((difference.mean(), *expected))


def test_three_contenders_are_three_pairs():
    assert weigh({name: np.array([0.1, 0.2]) for name in "abc"}, 4).comparisons == 3


def test_the_first_trial_is_no_evidence():
    values = np.array([0.1, 0.2, 0.3, 0.21])
    later = [0.01, 0.02, 0.013]
    equal = weigh({"a": values, "b": values + np.array([0.0, *later])}, 10)
    worse = weigh({"a": values, "b": values + np.array([0.5, *later])}, 10)
    assert equal.differences["b"] == worse.differences["b"]


@pytest.mark.parametrize("trials", [1, 2, 3])
def test_too_few_trials_are_no_evidence(trials):
    errors = {"a": np.full(trials, 0.1), "b": np.linspace(0.8, 0.9, trials)}
    weighed = weigh(errors, 10)
    assert weighed.recommended == "a"
    assert weighed.undecided == ("a", "b")
    assert not weighed.differences["b"].exists


def test_a_contender_that_is_clearly_worse_is_not_undecided():
    errors = {
        "a": np.array([0.10, 0.11, 0.12, 0.10, 0.11]),
        "b": np.array([0.50, 0.52, 0.51, 0.50, 0.52]),
    }
    weighed = weigh(errors, 5)
    assert (weighed.undecided, weighed.worse) == (("a",), ("b",))


def test_a_lucky_first_trial_is_not_recommended():
    errors = {"a": np.array([0.10, 0.11, 0.12, 0.11]), "lucky": np.array([0.05])}
    assert weigh(errors, 10).recommended == "a"


def test_a_fit_to_all_trials_of_all_contenders_is_their_means():
    values = np.random.default_rng(0).normal(0.1, 0.02, (4, 6))
    fitted = fit({str(i): row for i, row in enumerate(values)})
    assert fitted.mean == pytest.approx(values.mean(1))
    rest = values - values.mean(1)[:, None] - values.mean(0) + values.mean()
    assert fitted.se == pytest.approx(np.sqrt((rest**2).sum() / 15 / 6))


def test_a_contender_without_the_hard_trials_is_not_taken_to_be_better():
    hard = np.array([0.0, 0.2, 0.1, 0.3])
    fitted = fit({"a": 0.1 + hard, "b": 0.12 + hard[:2], "c": 0.11 + hard[:1]})
    assert fitted.mean - fitted.mean[0] == pytest.approx([0, 0.02, 0.01])
    assert fitted.se == pytest.approx([0, 0, 0], abs=1e-12)
