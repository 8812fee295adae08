import xarray as xr

from jtdiag_probes.diversity import rounding


def trials(*values):
    return xr.DataArray(list(values), dims="trial")


def test_differences_below_the_rounding_of_the_losses_are_no_diversity():
    diversity = rounding.without(trials(2e-8, -3e-8, 1e-3), trials(0.2, 0.2, 0.2))
    assert diversity.values.tolist() == [0, 0, 1e-3]
    assert not rounding.is_none(diversity)


def test_members_are_the_same_if_no_trial_has_diversity():
    nan = float("nan")
    assert rounding.is_none(rounding.without(trials(1e-9, nan), trials(1.0, nan)))
    assert not rounding.is_none(trials(nan, nan))
