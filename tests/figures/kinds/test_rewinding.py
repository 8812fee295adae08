import numpy as np
import pytest
import xarray as xr

from jtdiag.errors import ProbeError
from jtdiag.figures import heat_map
from jtdiag.figures.kinds import rewinding

MODULES = ["layer1", "layer2", "head"]


def result_of(lams=(0.0, 1.0), epochs=(0, 3, 12), trials=3, modules=MODULES):
    random = np.random.default_rng(0)
    shape = (len(lams), trials, len(epochs), 2, len(modules) + 1)
    dims = ("lam", "trial", "epoch", "member", "rewound")
    values = (dims, random.uniform(0.02, 0.9, shape))
    coords = {"lam": list(lams), "epoch": list(epochs), "rewound": [*modules, "all"]}
    return xr.Dataset({"reestimated_member_error": values}, coords=coords)


def panels(result):
    return rewinding.draw([("toy", result)]).axes[:-1]


def cells(ax):
    """Numbers that are written, by row and column."""
    written = {text.get_position(): text.get_text() for text in ax.texts}
    columns, rows = (max(place[i] for place in written) + 1 for i in (0, 1))
    return [[written[column, row] for column in range(columns)] for row in range(rows)]


def test_colors_and_numbers_are_means_over_members_and_trials():
    result = result_of()
    for ax, lam in zip(panels(result), (0.0, 1.0), strict=True):
        mean = result["reestimated_member_error"].mean(("member", "trial")).sel(lam=lam)
        percent = 100 * mean.transpose("rewound", "epoch").values
        np.testing.assert_allclose(ax.images[0].get_array(), percent)
        assert cells(ax) == [[f"{v:.1f}" if v < 9.95 else f"{v:.0f}" for v in r] for r in percent]


def test_rows_and_columns_are_named_and_trials_are_counted():
    [ax, _] = panels(result_of())
    assert [label.get_text() for label in ax.get_yticklabels()] == [*MODULES, "all"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "3", "12"]
    assert ax.get_title() == "$\\lambda = 0$ ($n = 3$)"


def test_only_trials_and_epochs_that_are_complete_are_drawn():
    result = result_of()
    values = result["reestimated_member_error"].values
    values[0, 1] = np.nan  # diverged
    values[0, 2, 1] = np.nan  # not kept
    [first, second] = panels(result)
    assert first.get_title() == "$\\lambda = 0$ ($n = 2$)"
    assert [label.get_text() for label in first.get_xticklabels()] == ["0", "12"]
    assert [label.get_text() for label in second.get_xticklabels()] == ["0", "3", "12"]
    assert "nan" not in str(cells(first))


def test_trials_without_a_common_epoch_are_not_averaged():
    result = result_of(lams=(0.5,), trials=2)
    values = result["reestimated_member_error"].values
    values[0, 0, 1:], values[0, 1, 0] = np.nan, np.nan
    [ax] = panels(result)
    assert ax.get_title() == "$\\lambda = 0.5$ ($n = 1$)"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0"]


def test_a_lambda_at_which_all_diverged_has_no_panel():
    result = result_of()
    result["reestimated_member_error"].values[0] = np.nan
    [ax] = panels(result)
    assert "\\lambda = 1" in ax.get_title()


def test_of_many_modules_some_are_drawn():
    names = [f"layer{i}" for i in range(1, 30)] + ["head"]
    [ax, _] = panels(result_of(modules=names))
    rows = [label.get_text() for label in ax.get_yticklabels()]
    assert len(rows) == heat_map.ROWS + 1
    assert (rows[0], rows[-2], rows[-1]) == ("layer1", "head", "all")


def test_names_of_modules_are_drawn_as_they_are():
    [ax, _] = panels(result_of(modules=["_a", "b$", "head"]))
    assert [label.get_text() for label in ax.get_yticklabels()][:2] == [" _a", r"b\$"]


def test_without_checkpoints():
    with pytest.raises(ProbeError, match=r"keep\.checkpoints"):
        panels(result_of() * np.nan)
