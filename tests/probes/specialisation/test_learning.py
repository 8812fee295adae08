import numpy as np
import xarray as xr

from jtdiag import stats
from jtdiag_probes.specialisation.learning import beyond_noise


def learned(error, examples, chance, classes):
    arrays = (xr.DataArray(np.array(values, float), dims="lane") for values in (error, examples))
    return beyond_noise(*arrays, chance, classes).values.tolist()


def test_an_error_is_below_chance_if_its_exact_interval_is():
    assert learned([0.9, 0.88, 0.8, 0.05], [500] * 4, 0.9, True) == [0, 0, 1, 1]
    for wrong in range(400, 451):
        high = float(stats.clopper_pearson(wrong, 500)[1])
        assert learned([wrong / 500], [500], 0.9, True) == [float(high < 0.9)]


def test_chance_is_passed_by_few_healthy_looking_guessers():
    guesses = np.random.default_rng(0).binomial(500, 0.9, 20_000) / 500
    rate = np.mean(learned(guesses, np.full(20_000, 500), 0.9, True))
    assert rate < 0.025 + 0.005


def test_numbers_must_be_better_than_a_constant_by_two_standard_deviations():
    assert learned([1.0, 0.95, 0.85, 0.1], [200] * 4, 1.0, False) == [0, 0, 0, 1]
    assert learned([0.79], [200], 1.0, False) == [1]


def test_what_is_not_kept_is_unknown_and_what_diverged_has_not_learned():
    values = learned([0.1, np.nan], [np.nan, 100], 0.9, True)
    assert np.isnan(values[0])
    assert values[1] == 0
