import numpy as np
import pytest
import xarray as xr

from jtdiag.errors import ProbeError
from jtdiag.figures.kinds import label_curve

LABELS = ["1", "2", "5", "20", "all"]


def result_of(hidden=2, trials=3):
    random = np.random.default_rng(0)
    layers = ["inputs", *(f"layer{i}" for i in range(1, hidden + 1))]
    dims = ("lam", "trial", "layer", "labels")
    shape = (2, trials, len(layers), len(LABELS))
    arrays = {
        name: (dims, random.uniform(0.2, 0.4, shape))
        for name in ("label_error", "untrained_label_error")
    }
    labeled = np.full((trials, len(LABELS)), 1100.0)
    return xr.Dataset(
        {**arrays, "labeled_examples": (("trial", "labels"), labeled)},
        coords={"lam": [0.0, 1.0], "layer": layers, "labels": LABELS},
        attrs={"classes": 10},
    )


def draw(result):
    return label_curve.draw([("toy", result)])


def lines(ax):
    return {c.get_label(): c.lines[0] for c in ax.containers}


def test_lines_are_means_over_trials_at_the_numbers_of_labels():
    result = result_of()
    panels = draw(result).axes
    assert [ax.get_title() for ax in panels] == ["$\\lambda = 0$", "$\\lambda = 1$"]
    drawn = lines(panels[1])
    assert list(drawn) == ["inputs", "layer1", "layer2", "layer2 before training"]
    own = result.sel(lam=1.0).mean("trial")
    np.testing.assert_array_equal(drawn["layer1"].get_xdata(), [1, 2, 5, 20, 110])
    for name in ("inputs", "layer1", "layer2"):
        expected = 100 * own["label_error"].sel(layer=name)
        np.testing.assert_allclose(drawn[name].get_ydata(), expected)
    expected = 100 * own["untrained_label_error"].sel(layer="layer2")
    np.testing.assert_allclose(drawn["layer2 before training"].get_ydata(), expected)


def test_the_axis_of_labels_is_logarithmic_and_controls_are_dashed():
    ax = draw(result_of()).axes[0]
    assert ax.get_xscale() == "log"
    assert [label.get_text() for label in ax.get_xticklabels()] == LABELS
    drawn = lines(ax)
    assert drawn["layer2"].get_linestyle() == "-"
    assert all(drawn[name].get_linestyle() == "--" for name in ("inputs", "layer2 before training"))


def test_of_many_layers_some_are_drawn_with_the_first_and_the_last():
    drawn = lines(draw(result_of(hidden=7)).axes[0])
    assert list(drawn) == [
        "inputs", "layer1", "layer3", "layer5", "layer7", "layer7 before training"
    ]  # fmt: skip


def test_without_epoch_0_and_with_numbers_not_measured():
    result = result_of()
    result["untrained_label_error"][:] = np.nan
    result["label_error"][..., 3] = np.nan
    drawn = lines(draw(result).axes[0])
    assert list(drawn) == ["inputs", "layer1", "layer2"]
    assert drawn["layer1"].get_xdata().tolist() == [1, 2, 5, 110]


def test_a_lam_without_values_has_no_panel():
    result = result_of()
    result["label_error"][1] = np.nan
    assert len(draw(result).axes) == 1


def test_without_hidden_layers_the_inputs_are_drawn():
    assert list(lines(draw(result_of(hidden=0)).axes[0])) == ["inputs"]


def test_without_checkpoints():
    with pytest.raises(ProbeError, match=r"keep\.checkpoints"):
        draw(result_of() * np.nan)
