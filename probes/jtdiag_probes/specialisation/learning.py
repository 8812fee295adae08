"""Whether an ensemble has learned anything, beyond the sampling error of its measured error."""

import numpy as np
import xarray as xr

from jtdiag import stats


def beyond_noise(
    error: xr.DataArray, examples: xr.DataArray, chance: float, classes: bool
) -> xr.DataArray:
    """Return 1 where the error is below chance by more than its sampling error, else 0.

    For classes, the upper end of the exact 95 % interval of the error is below chance level. For
    numbers, the relative error of a constant prediction on n examples has a standard deviation of
    about √(2/n), if targets are normally distributed; two of these are required.

    Args:
        error: Error of the ensemble, (…).
        examples: Number of examples, (…); NaN where there are no outputs, and so is the result.
        chance: Error at chance level.
        classes: Whether the targets are classes.
    """
    count = examples.values
    with np.errstate(invalid="ignore"):
        if classes:
            _, high = stats.clopper_pearson(np.round(error.values * count), count)
        else:
            high = error.values + chance * 2 * np.sqrt(2 / count)
        learned = np.where(np.isfinite(count), (high < chance).astype(float), np.nan)
    return examples.copy(data=learned)
