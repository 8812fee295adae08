import numpy as np
import pytest
import xarray as xr

from jtdiag.errors import ProbeError
from jtdiag.figures.kinds.candidates import draw


def candidates(**changes):
    nan = np.nan
    columns = {
        "members": [1, 4, 4, 4, 16],
        "lam": [1.0, 0.0, 0.9, 0.0, 0.9],
        "scheme": ["single", "independent", "joint", "bagging", "joint"],
        "state": ["worse", "undecided", "recommended", "dropped", "not trained"],
        "partial_error": [0.08, 0.06, 0.05, 0.07, nan],
    } | changes
    error = np.array([[0.08, 0.09], [0.06, 0.05], [0.05, 0.04], [nan, nan], [nan, nan]])
    variables = {name: ("candidate", values) for name, values in columns.items()}
    return xr.Dataset({"error": (("candidate", "trial"), error), **variables})


def points(ax, marker, size=None):
    return [
        (float(x), float(y))
        for line in ax.lines
        if line.get_marker() == marker and (size is None or line.get_markersize() == size)
        for x, y in zip(*line.get_data(), strict=True)
        if np.isfinite(y)
    ]


def test_every_candidate_is_at_its_error_and_number_of_members():
    [ax] = draw([("a", candidates())]).axes
    assert points(ax, "*") == [(0.0, pytest.approx(8.5))]
    [(x, y)] = points(ax, "x")
    assert (round(x), y) == (1, pytest.approx(7))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "4", "16"]


def test_rings_are_around_the_recommended_and_the_undecided():
    [ax] = draw([("a", candidates())]).axes
    [(_, recommended)], [(_, undecided)] = points(ax, "o", 13), points(ax, "o", 9)
    assert (recommended, undecided) == (pytest.approx(4.5), pytest.approx(5.5))


def test_the_legend_names_each_kind_once():
    figure = draw([("a", candidates())])
    [legend] = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert sorted(labels) == sorted(
        ["single network", "bagging", r"$\lambda = 0$", r"$\lambda = 0.9$"]
    )


def test_without_a_complete_trial_there_is_nothing_to_draw():
    empty = candidates()
    empty["error"][:] = np.nan
    with pytest.raises(ProbeError, match="no candidate has a complete trial"):
        draw([("a", empty)])
