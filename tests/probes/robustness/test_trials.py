import numpy as np
import pytest
import xarray as xr

from jtdiag_probes.robustness.trials import first_above, last_below, trials_of

NAN = float("nan")


def of_lam(accuracy, loss, frequent=0.5, examples=100):
    """One λ with two members; `accuracy` and `loss` by trial."""
    curves = np.tile(np.array(accuracy)[:, None, None], (1, 2, 2))
    losses = np.tile(np.array(loss)[:, None, None], (1, 2, 2))
    dims = ("trial", "subsets", "dropped")
    count = len(accuracy)
    return xr.Dataset(
        {
            "accuracy": (dims, curves),
            "loss": (dims, losses),
            "examples": ("trial", np.full(count, float(examples))),
            "most_frequent_class": ("trial", np.full(count, frequent)),
        },
        coords={"subsets": ["shared", "own"], "dropped": [0, 1], "lam": 0.9},
    )


def test_diverged_trials_and_trials_at_chance_do_not_count():
    trials = trials_of(of_lam([0.9, 0.55, 0.0, NAN], [0.2, 0.7, NAN, NAN]), 2, exact=True)
    assert (trials.count, trials.at_chance, trials.diverged, trials.measured) == (1, 1, 1, 3)
    assert trials.result["accuracy"][0, 0, 0] == 0.9
    assert (trials.accuracy, trials.most_frequent) == (0.55, 0.5)


@pytest.mark.parametrize(("examples", "count"), [(100, 0), (1000, 1)])
def test_whether_something_was_learned_depends_on_the_number_of_examples(examples, count):
    """55 % against 50 %: a binomial test rejects from about 400 examples on."""
    assert trials_of(of_lam([0.55], [0.7], examples=examples), 2, exact=True).count == count


def test_a_rare_class_raises_what_counts_as_chance():
    assert trials_of(of_lam([0.99], [0.1], frequent=0.99, examples=1000), 2, exact=True).count == 0
    assert trials_of(of_lam([0.99], [0.1], frequent=0.9, examples=1000), 2, exact=True).count == 1


FALLS = np.array(
    [[0.001, 0.004, 0.02, 0.001], [0.002, 0.003, 0.03, 0.002], [0.001, 0.005, 0.01, 0.0]]
)


def test_columns_are_tested_until_one_is_not_below_the_limit():
    """Column 1 is below .01; column 2 is not, so that column 3 is not tested."""
    assert last_below(FALLS, 0.01) == 1
    assert last_below(FALLS, 0.003) == 0
    assert last_below(FALLS, 0.0005) == -1


def test_more_comparisons_need_more_evidence():
    falls = np.array([[0.001], [0.003], [0.005]])
    assert last_below(falls, 0.01) == 0
    assert last_below(falls, 0.01, comparisons=3) == -1


def test_columns_without_spread_count_neither_for_nor_against():
    falls = np.array([[0.0, 0.001, 0.0], [0.0, 0.002, 0.0], [0.0, 0.001, 0.0]])
    assert last_below(falls, 0.01) == 1
    assert last_below(falls[:, :1], 0.01) == -1
    assert last_below(np.array([[0.05, 0.001], [0.05, 0.002]]), 0.1) == 1


def test_a_single_trial_is_compared_by_its_values():
    assert last_below(np.array([[0.001, 0.009, 0.02]]), 0.01) == 1
    assert first_above(np.array([[0.001, 0.009, 0.02]]), 0.01) == 2


def test_means_above_the_limit_are_tested_from_the_last_column():
    falls = np.array([[0.0, 0.02, 0.3], [0.01, 0.05, 0.4], [0.0, 0.09, 0.5]])
    assert first_above(falls, 0.01) == 2
    assert first_above(falls, 0.5) == 3


@pytest.mark.slow
@pytest.mark.parametrize("trials", [2, 3, 5])
def test_false_statements_about_tolerance_are_as_rare_as_promised(trials):
    """The last three of ten columns truly fall by the limit: claiming any of them is false.

    Columns share half of their variance, as numbers of members missing in one ensemble do.
    """
    random, false, repeats = np.random.default_rng(0), 0, 4000
    means = np.array([0.1, 0.2, 0.3, 0.5, 0.6, 0.8, 0.9, 1.0, 1.0, 1.0])
    for _ in range(repeats):
        noise = random.standard_normal((trials, 1)) + random.standard_normal((trials, 10))
        false += last_below(means + 0.1 * noise, 1.0) >= 7
    assert false / repeats <= 0.025 + 3 * np.sqrt(0.025 / repeats)
