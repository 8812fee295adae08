"""Diversity that is nothing but rounding: members whose predictions are the same."""

import xarray as xr

ROUNDING = 1e-6
"""Losses are means of single-precision numbers; smaller differences, relative to them, are none."""


def without(diversity: xr.DataArray, member_loss: xr.DataArray) -> xr.DataArray:
    """Return the diversity, 0 where it is below the rounding of the losses that it is made of.

    Args:
        diversity: Mean loss of the members minus loss of the ensemble.
        member_loss: The former.
    """
    return diversity.where(~(abs(diversity) <= ROUNDING * abs(member_loss)), 0.0)


def is_none(diversity: xr.DataArray) -> bool:
    """Return whether there is no diversity in any of some trials."""
    finite = diversity.dropna(diversity.dims[0])
    return bool(finite.size) and bool((finite == 0).all())
