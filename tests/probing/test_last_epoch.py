"""Lanes at epochs of their own."""

import numpy as np
import pytest
import xarray as xr

from jtdiag.probing import last_epoch
from jtdiag.probing.last_epoch import LAST_EPOCH, at_last_epoch

EPOCHS = [0, 3, 7]


@pytest.fixture
def values():
    """Each value is its epoch; the third lane was not measured, and the last one diverged."""
    epochs = np.array(EPOCHS, float)
    array = xr.DataArray(
        np.broadcast_to(epochs, (2, 2, 3)).copy(),
        dims=("lam", "trial", "epoch"),
        coords={"lam": [0.0, 1.0], "trial": [0, 1], "epoch": EPOCHS},
    )
    array[1, 1, 1:] = np.nan
    last = xr.DataArray([[7, 3], [-1, 7]], dims=("lam", "trial"))
    return xr.Dataset({"value": array, LAST_EPOCH: last})


def test_every_lane_is_selected_at_its_own_epoch(values):
    at_end = at_last_epoch(values, values[LAST_EPOCH])
    np.testing.assert_array_equal(at_end["value"], [[7, 3], [np.nan, np.nan]])
    assert "epoch" not in at_end.coords
    one = at_last_epoch(values["value"].sel(lam=0.0), values[LAST_EPOCH].sel(lam=0.0))
    np.testing.assert_array_equal(one, [7, 3])


def test_distinct_epochs_are_those_of_measured_lanes(values):
    assert last_epoch.distinct(values[LAST_EPOCH]) == (3, 7)
    assert last_epoch.distinct(at_last_epoch(values, values[LAST_EPOCH])[LAST_EPOCH]) == (3, 7)


def test_a_finding_has_an_epoch_if_all_trials_have_the_same():
    assert last_epoch.of_finding((7,)) == 7
    assert last_epoch.of_finding((3, 7)) is None


def test_sentences_name_the_epochs():
    assert last_epoch.after((7,)) == "after epoch 7"
    assert last_epoch.after((3, 5, 7)) == "after the last kept epoch of each trial (3 to 7)"


def test_the_variable_has_the_last_of_each_lanes_epochs(toy):
    measured = dict.fromkeys(toy.lanes, ()) | {toy.lanes[0]: (0, 2, 4)}
    dims, epochs = last_epoch.variable(toy, measured)[LAST_EPOCH]
    assert dims == ("lam", "trial")
    assert epochs.tolist() == [[4, -1], [-1, -1], [-1, -1]]
