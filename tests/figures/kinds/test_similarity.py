import numpy as np
import pytest
import xarray as xr

from jtdiag.errors import ProbeError
from jtdiag.figures import style
from jtdiag.figures.kinds import similarity
from jtdiag.figures.print_check import problems

LAYERS = ["inputs", "layer1", "layer2", "head"]


def result_of(lams=(0.0, 1.0), layers=LAYERS, trials=3):
    random = np.random.default_rng(0)
    lane, count = (len(lams), trials), len(layers)
    between = random.uniform(0.3, 0.9, (*lane, 2, count, count))
    between = (between + between.swapaxes(-1, -2)) / 2
    between[..., range(count), range(count)] = 1
    return xr.Dataset(
        {
            "layer_similarity": (("lam", "trial", "epoch", "layer", "other_layer"), between),
            "member_similarity": (
                ("lam", "trial", "epoch", "layer"),
                random.uniform(0.3, 0.9, (*lane, 2, count)),
            ),
            "reference_similarity": (
                ("lam", "trial", "layer"),
                random.uniform(0.3, 0.9, (*lane, count)),
            ),
            "last_epoch": (("lam", "trial"), np.full(lane, 12)),
        },
        coords={"lam": list(lams), "epoch": [0, 12], "layer": layers, "other_layer": layers},
    )


def draw(result):
    return similarity.draw([("toy", result)])


def panels(figure):
    return {ax.get_title(): ax for ax in figure.axes if ax.get_title()}


def test_panels_show_the_mean_over_trials_of_the_last_epoch():
    result = result_of()
    drawn = panels(draw(result))
    assert list(drawn) == ["$\\lambda = 0$", "$\\lambda = 1$", "Members"]
    [image] = drawn["$\\lambda = 1$"].images
    expected = result["layer_similarity"].sel(lam=1.0, epoch=12).mean("trial")
    np.testing.assert_allclose(image.get_array(), expected)
    texts = [text.get_text() for text in drawn["$\\lambda = 1$"].texts]
    assert texts == [f"{value:.2f}" for value in expected.values.ravel()]
    assert [label.get_text() for label in drawn["$\\lambda = 0$"].get_yticklabels()] == LAYERS


def test_members_have_a_line_for_each_lam_and_a_thin_one_of_other_trials():
    result = result_of()
    ax = panels(draw(result))["Members"]
    lines = {c.get_label(): c.lines[0].get_ydata() for c in ax.containers}
    expected = result["member_similarity"].sel(lam=0.0, epoch=12).mean("trial")[1:]
    np.testing.assert_allclose(lines["$\\lambda = 0$"], expected)
    [_, between] = [line for line in ax.lines if line.get_label() == similarity.BETWEEN_TRIALS]
    expected = result["reference_similarity"].sel(lam=1.0).mean("trial")[1:]
    np.testing.assert_allclose(between.get_ydata(), expected)
    assert [label.get_text() for label in ax.get_xticklabels()] == LAYERS[1:]


def test_a_single_member_has_no_panel_of_members():
    result = result_of()
    result["member_similarity"].values[:] = np.nan
    with style.of():
        figure = draw(result)
        assert problems(figure, 6) == []
    assert "Members" not in panels(figure)


def test_a_single_trial_has_no_line_of_other_trials():
    result = result_of(trials=1)
    result["reference_similarity"].values[:] = np.nan
    ax = panels(draw(result))["Members"]
    assert not [line for line in ax.lines if line.get_label() == similarity.BETWEEN_TRIALS]


def test_layers_that_do_not_vary_are_white_and_without_a_number():
    result = result_of()
    result["layer_similarity"].loc[{"layer": "layer2"}] = np.nan
    result["layer_similarity"].loc[{"other_layer": "layer2"}] = np.nan
    result["member_similarity"].loc[{"layer": "layer2"}] = np.nan
    with style.of():
        figure = draw(result)
        assert problems(figure, 6) == []
    assert len(panels(figure)["$\\lambda = 0$"].texts) == 9


def test_many_layers_are_written_upwards_and_without_numbers():
    names = ["inputs", *(f"layer{i}" for i in range(1, 11)), "head"]
    drawn = panels(draw(result_of(layers=names)))
    assert not drawn["$\\lambda = 0$"].texts
    assert drawn["$\\lambda = 0$"].get_xticklabels()[0].get_rotation() == 90


@pytest.mark.parametrize("lams", [(0.0,), (0.0, 1.0), (0.0, 0.5, 1.0)])
def test_the_last_panel_fills_its_row(lams):
    """Empty cells would also leave positions undetermined by a rounding error."""
    for members in (True, False):
        result = result_of(lams)
        if not members:
            result["member_similarity"].values[:] = np.nan
        grid = draw(result).axes[0].get_gridspec()
        cells = [ax.get_subplotspec() for ax in draw(result).axes if ax.get_title()]
        assert sum(len(cell.colspan) * len(cell.rowspan) for cell in cells) == np.prod(
            grid.get_geometry()
        )


@pytest.mark.slow
@pytest.mark.parametrize("venue", ["lncs", "icml", "ieee", "slides"])  # those of test_print_check
@pytest.mark.parametrize("lams", [(1.0,), (0.0, 0.5, 1.0)])
def test_the_extreme_venues_can_print_it(venue, lams):
    names = ["inputs", "layer1", "layer2", "layer3", "head"]
    with style.of(venue, lams) as used:
        figure = draw(result_of(lams, names))
        assert problems(figure, min(6, used.small)) == []


def test_without_checkpoints():
    with pytest.raises(ProbeError, match=r"keep\.checkpoints"):
        draw(result_of() * np.nan)
