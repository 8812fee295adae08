import numpy as np
import pytest
import xarray as xr

from jtdiag.errors import ProbeError
from jtdiag.figures.kinds import credit

MODULES = ["layer1", "layer2", "head"]


def result_of(lams=(0.0, 1.0), epochs=(0, 3, 12), trials=3):
    random = np.random.default_rng(0)
    shape = (len(lams), trials, len(epochs), 2, len(MODULES))
    cosine = (("lam", "trial", "epoch", "member", "module"), random.uniform(-0.2, 1, shape))
    return xr.Dataset(
        {"cosine": cosine}, coords={"lam": list(lams), "epoch": list(epochs), "module": MODULES}
    )


def draw(result):
    return credit.draw([("toy", result)])


def lines(ax):
    """Points of the lines of a panel by label."""
    return {c.get_label(): c.lines[0].get_xydata() for c in ax.containers}


def test_lines_are_means_over_members_and_trials_by_module():
    result = result_of()
    axes = draw(result).axes
    assert [ax.get_title() for ax in axes] == ["$\\lambda = 0$", "$\\lambda = 1$"]
    expected = result["cosine"].mean(("member", "trial")).sel(lam=1.0)
    for name, points in lines(axes[1]).items():
        np.testing.assert_array_equal(points[:, 0], [0, 3, 12])
        np.testing.assert_allclose(points[:, 1], expected.sel(module=name))
    assert list(lines(axes[0])) == MODULES


def test_a_module_has_points_where_it_is_given_a_gradient():
    result = result_of()
    result["cosine"][..., 1:, :, 0] = np.nan
    result["cosine"][..., 1] = np.nan
    drawn = lines(draw(result).axes[0])
    assert list(drawn) == ["layer1", "head"]
    assert drawn["layer1"][:, 0].tolist() == [0]


def test_colors_of_modules_are_the_same_in_all_panels():
    result = result_of()
    result["cosine"][0, ..., 0] = np.nan
    colors = [
        {c.get_label(): c.lines[0].get_color() for c in ax.containers} for ax in draw(result).axes
    ]
    assert colors[0]["layer2"] == colors[1]["layer2"]


def test_cosines_below_0_are_within_the_panel():
    result = result_of()
    result["cosine"] = result["cosine"] - 0.9
    for ax in draw(result).axes:
        assert ax.get_ylim()[0] < float(result["cosine"].mean(("member", "trial")).min())
        assert ax.get_ylim()[1] > 1


def test_without_checkpoints():
    with pytest.raises(ProbeError, match=r"keep\.checkpoints"):
        draw(result_of() * np.nan)
