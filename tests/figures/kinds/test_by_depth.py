import numpy as np
import pytest
import xarray as xr

from jtdiag.errors import ProbeError
from jtdiag.figures.kinds import by_depth

LAYERS = ["inputs", "layer1", "layer2", "head"]


def result_of(lams=(0.0, 1.0), epochs=(0, 3, 12), trials=3, layers=LAYERS):
    random = np.random.default_rng(0)
    shape = (len(lams), trials, len(epochs), 2, len(layers))
    dims = ("lam", "trial", "epoch", "member", "layer")
    arrays = {name: (dims, random.uniform(0.2, 0.4, shape)) for name, *_ in by_depth.PANELS}
    arrays["last_epoch"] = (dims[:2], np.full(shape[:2], epochs[-1]))
    coords = {"lam": list(lams), "epoch": list(epochs), "layer": list(layers)}
    return xr.Dataset(arrays, coords=coords)


def draw(result):
    return by_depth.draw([("toy", result)])


def lines(ax):
    """Heights of the lines of a panel by label."""
    return {c.get_label(): c.lines[0].get_ydata() for c in ax.containers}


def test_lines_are_means_over_members_and_trials_of_the_last_epoch():
    result = result_of()
    error, labels, _, rank = draw(result).axes
    expected = result.mean(("member", "trial")).sel(lam=1.0, epoch=12)
    np.testing.assert_allclose(lines(error)["$\\lambda = 1$"], 100 * expected["probe_error"])
    np.testing.assert_allclose(lines(labels)["$\\lambda = 1$"], 100 * expected["label_information"])
    np.testing.assert_allclose(lines(rank)["$\\lambda = 1$"], expected["effective_rank"])
    untrained = result.mean(("member", "trial", "lam")).sel(epoch=0)
    np.testing.assert_allclose(lines(error)["before training"], 100 * untrained["probe_error"])


def test_panels_have_titles_and_layers():
    axes = draw(result_of()).axes
    assert [ax.get_title() for ax in axes] == [
        "Linear classifier",
        "Labels",
        "Inputs",
        "Directions",
    ]
    assert [label.get_text() for label in axes[0].get_xticklabels()] == LAYERS


def test_many_layers_are_written_upwards():
    names = ["inputs", *(f"conv{i}" for i in range(1, 6)), "head"]
    [label, *_] = draw(result_of(layers=names)).axes[0].get_xticklabels()
    assert label.get_rotation() == 90


def test_without_epoch_0_there_is_no_control():
    assert "before training" not in lines(draw(result_of(epochs=(3, 12))).axes[0])


def test_a_lane_that_was_stopped_shows_its_own_last_epoch():
    result = result_of()
    for name, *_ in by_depth.PANELS:
        result[name][1, :, 2] = np.nan
    result["last_epoch"][1] = 3
    expected = 100 * result["probe_error"].mean(("member", "trial")).sel(lam=1.0, epoch=3)
    np.testing.assert_allclose(lines(draw(result).axes[0])["$\\lambda = 1$"], expected)


def test_without_checkpoints():
    with pytest.raises(ProbeError, match=r"keep\.checkpoints"):
        draw(result_of() * np.nan)
