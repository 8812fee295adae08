import numpy as np
import pytest

from jtdiag.errors import ProbeError
from jtdiag.figures.kinds import filter_norms, filters
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES


def draw(figure, result):
    return figure.draw([("toy", result)])


@pytest.fixture(scope="module")
def result(toy):
    return PROBES.find("filters").ask(toy, Options())


def panels(figure):
    """Panels without the colour bar."""
    return [axes for axes in figure.axes if axes.get_title()]


def test_filters_are_drawn_at_the_smallest_and_the_largest_lambda(result):
    figure = draw(filters, result.isel(lam=[2, 0, 1]))
    assert [p.get_title() for p in panels(figure)] == [r"$\lambda = 0$", r"$\lambda = 1$"]
    assert len(panels(draw(filters, result.isel(lam=[1])))) == 1


def test_each_tile_is_a_filter_and_all_have_one_scale(result):
    first, last = panels(draw(filters, result))
    trial = result.isel(trial=0)
    for panel, lam in ((first, 0), (last, 1)):
        drawn = panel.images[0].get_array()
        tiles = trial["image"].sel(lam=lam).values  # (3 members, 5 places, 1, 2)
        for column in range(3):
            for place in range(5):
                tile = drawn[2 * place, 3 * column : 3 * column + 2]
                np.testing.assert_allclose(tile, tiles[column, place, 0])
    assert np.ma.getmaskarray(drawn)[1].all()
    assert first.images[0].get_clim() == last.images[0].get_clim()
    limit = np.quantile(np.abs(trial["image"].sel(lam=[0, 1])), filters.SATURATED)
    np.testing.assert_allclose(first.images[0].get_clim(), [-limit, limit], rtol=1e-6)


def test_columns_are_labeled_with_their_members(result):
    assert [t.get_text() for t in panels(draw(filters, result))[0].get_xticklabels()] == [
        "0",
        "1",
        "2",
    ]


def test_the_map_has_a_column_for_each_member_strongest_above_on_one_scale(result):
    drawn = panels(draw(filter_norms, result))
    norm = result["filter_norm"].isel(trial=0)
    for panel, lam in zip(drawn, (0, 0.9, 1), strict=True):
        values = panel.images[0].get_array()
        slow = [sorted(norm.sel(lam=lam).values[j], reverse=True) for j in range(3)]
        np.testing.assert_allclose(values, np.transpose(slow))
        assert panel.images[0].get_clim() == (0, float(norm.max()))


@pytest.mark.parametrize("figure", [filters, filter_norms])
def test_a_run_without_checkpoints_is_one_line(small_run, figure):
    nothing = PROBES.find("filters").ask(small_run, Options())
    with pytest.raises(ProbeError, match=r"stores no checkpoints\. Train with"):
        draw(figure, nothing)


@pytest.mark.parametrize("figure", [filters, filter_norms])
def test_the_result_is_not_changed(result, figure):
    before = result.copy(deep=True)
    draw(figure, result)
    assert result.identical(before)
