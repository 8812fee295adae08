import numpy as np
import pytest
import xarray as xr

from jtdiag.errors import ProbeError
from jtdiag.figures.heat_map import ROWS
from jtdiag.figures.kinds import by_depth_and_epoch

LAYERS = ["inputs", "layer1", "layer2", "head"]


def result_of(lams=(0.0, 1.0), epochs=(0, 3, 12), trials=3, layers=LAYERS):
    random = np.random.default_rng(0)
    shape = (len(lams), trials, len(epochs), 2, len(layers))
    dims = ("lam", "trial", "epoch", "member", "layer")
    values = (dims, random.uniform(0.02, 0.9, shape))
    coords = {"lam": list(lams), "epoch": list(epochs), "layer": list(layers)}
    return xr.Dataset({"probe_error": values}, coords=coords)


def panels(result):
    return by_depth_and_epoch.draw([("toy", result)]).axes[:-1]


def names(labels):
    return [label.get_text() for label in labels]


def test_cells_are_means_over_members_and_trials_by_layer_and_epoch():
    result = result_of()
    for ax, lam in zip(panels(result), (0.0, 1.0), strict=True):
        mean = result["probe_error"].mean(("member", "trial")).sel(lam=lam)
        percent = 100 * mean.transpose("layer", "epoch").values
        np.testing.assert_allclose(ax.images[0].get_array(), percent)
        assert len(ax.texts) == percent.size
        assert names(ax.get_yticklabels()) == LAYERS
        assert names(ax.get_xticklabels()) == ["0", "3", "12"]
        assert ax.get_title() == f"$\\lambda = {lam:g}$ ($n = 3$)"


def test_a_layer_without_a_classifier_is_an_empty_cell():
    result = result_of()
    result["probe_error"].loc[{"epoch": 3, "layer": "layer2"}] = np.nan  # all units are dead
    [first, _] = panels(result)
    assert names(first.get_xticklabels()) == ["0", "3", "12"]
    assert len(first.texts) == 11


def test_only_trials_and_epochs_that_are_complete_are_drawn():
    result = result_of()
    values = result["probe_error"].values
    values[0, 1] = np.nan  # diverged
    values[0, 2, 1] = np.nan  # not kept
    [first, second] = panels(result)
    assert first.get_title() == "$\\lambda = 0$ ($n = 2$)"
    assert names(first.get_xticklabels()) == ["0", "12"]
    assert names(second.get_xticklabels()) == ["0", "3", "12"]


def test_of_many_layers_some_are_drawn():
    layers = ["inputs", *(f"layer{i}" for i in range(1, 30)), "head"]
    [ax, _] = panels(result_of(layers=layers))
    rows = names(ax.get_yticklabels())
    assert len(rows) == ROWS + 1
    assert (rows[0], rows[-2], rows[-1]) == ("inputs", "layer29", "head")


def test_a_single_epoch_is_one_line_that_says_what_to_keep():
    with pytest.raises(ProbeError, match=r"one epoch only.*keep\.checkpoints"):
        panels(result_of(epochs=(12,)))


def test_without_checkpoints():
    with pytest.raises(ProbeError, match=r"keep\.checkpoints"):
        panels(result_of() * np.nan)
