import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from jtdiag.errors import ProbeError
from jtdiag.figures.kinds import kappa_against_lambda
from jtdiag.figures.kinds.kappa_against_lambda import draw_outputs, draw_weights

LAMS = [0.0, 0.9, 0.99, 1.0]


def draw(result):
    return kappa_against_lambda.draw([("toy", result)])


@pytest.fixture
def result():
    """Two trials, three epochs of which the last is kept by all lanes but one."""
    kappa = np.full((4, 2, 3), np.nan)
    kappa[:, :, 1] = 7.0
    kappa[:, :, 2] = [[10, 12], [100, 120], [1000, 1200], [5, 6]]
    kappa[1, 1, 2] = np.nan
    dims = ("lam", "trial", "epoch")
    quantity = ["grid_kappa", "kappa", "kappa_lower", "weight_anisotropy"]
    return xr.Dataset(
        {
            "kappa": (dims, kappa),
            "kappa_q25": (dims, kappa / 2),
            "kappa_q75": (dims, kappa * 3),
            "weight_anisotropy": (dims[:2], [[1, 1.1], [9, 11], [90, 110], [np.inf, np.inf]]),
            "grid_lam": ("grid", [0.0, 0.9, 0.99, 0.9999]),
            "grid_kappa": ("grid", [10.0, 50, 500, 50_000]),
            "exponent": ("quantity", [1.0, 0.9, 0.8, 0.95]),
            "exponent_low": ("quantity", [0.9, 0.7, 0.1, -np.inf]),
            "exponent_high": ("quantity", [1.1, 1.1, 1.2, np.inf]),
        },
        coords={"lam": LAMS, "trial": [0, 1], "quantity": quantity},
    )


def axes(result, part):
    ax = Figure().add_subplot()
    part(result, ax)
    return ax


def points(ax):
    """Heights of the points, full and hollow."""
    return [container.lines[0].get_ydata().tolist() for container in ax.containers]


def test_points_are_lanes_at_their_last_stored_epoch_and_hollow_at_lambda_1(result):
    ax = axes(result, draw_outputs)
    assert points(ax) == [[10, 12, 100, 7, 1000, 1200], [5, 6]]
    assert [c.lines[0].get_markerfacecolor() for c in ax.containers] == ["#000000", "white"]


def test_bars_reach_from_quartile_to_quartile(result):
    [bars] = axes(result, draw_outputs).containers[0].lines[2]
    ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
    assert ends[0] == [5, 30]


def test_a_lane_beyond_float64_has_no_point_and_no_warning(result):
    for name in ("kappa", "kappa_q25", "kappa_q75"):
        result[name].loc[{"lam": 0.9}] = np.inf
    assert points(axes(result, draw_outputs))[0] == [10, 12, 1000, 1200]


def test_lambda_is_placed_by_one_over_one_minus_lambda_and_the_end_beyond(result):
    ax = axes(result, draw_weights)
    np.testing.assert_allclose(ax.get_xticks(), [0, 1, 2, 2.7], atol=1e-12)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["0", "0.9", "0.99", "1"]


def test_infinite_ratios_have_no_point(result):
    assert points(axes(result, draw_weights)) == [[1, 1.1, 9, 11, 90, 110]]


def test_the_dashed_line_starts_at_the_lowest_lambda_and_grows_as_one_over_one_minus(result):
    [dashed] = [line for line in axes(result, draw_outputs).lines if line.get_linestyle() == "--"]
    np.testing.assert_allclose(dashed.get_xdata(), [0, 2.7])
    np.testing.assert_allclose(dashed.get_ydata(), [11, 11 * 10**2.7])


def test_the_curve_ends_within_the_axes(result):
    curve = axes(result, draw_outputs).lines[0]
    assert curve.get_ydata().tolist() == [10, 50, 500]


def test_the_exponent_is_written_with_its_interval_where_it_has_one(result):
    [text] = [t.get_text() for t in axes(result, draw_outputs).texts]
    assert text.endswith("p = 0.90$\n(95 % CI: 0.70 to 1.10)")
    [text] = [t.get_text() for t in axes(result, draw_weights).texts]
    assert text.endswith("p = 0.95$")


def test_a_run_that_stores_nothing_is_one_line(result):
    for name in result.data_vars:
        result[name][...] = np.nan
    with pytest.raises(ProbeError, match="No condition number was measured at any λ below 1"):
        draw(result)


def test_a_run_that_diverged_after_its_first_epoch_is_one_line(result):
    for name in ("kappa", "kappa_q25", "kappa_q75"):
        result[name].loc[{"epoch": 2}] = np.inf
    result["weight_anisotropy"][...] = np.nan
    with pytest.raises(ProbeError, match="the members have diverged or are saturated"):
        draw(result)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_diverged_lane_leaves_the_others(result, value):
    for name in ("kappa", "kappa_q25", "kappa_q75"):
        result[name].loc[{"lam": 0.99, "epoch": 2}] = np.inf
    result["weight_anisotropy"].loc[{"lam": 0.99}] = value
    left, right = draw(result).axes
    assert points(left)[0] == [10, 12, 100, 7]
    assert points(right)[0] == [1, 1.1, 9, 11]


def test_a_run_without_checkpoints_has_the_panel_of_the_outputs_alone(result):
    result["weight_anisotropy"][...] = np.nan
    [only] = draw(result).axes
    assert only.get_title() == "Hessian w.r.t. outputs"


def test_the_legend_labels_every_mark_once(result):
    [legend] = draw(result).legends
    assert sorted(text.get_text() for text in legend.get_texts()) == [
        r"$1/(1-\lambda)$",
        "fixed outputs",
        "null space excluded",
        "trials",
    ]


def test_the_result_is_not_changed(result):
    before = result.copy(deep=True)
    draw(result)
    assert result.identical(before)
