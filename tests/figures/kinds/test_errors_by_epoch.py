import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from jtdiag.figures import style
from jtdiag.figures.kinds import errors_by_epoch
from jtdiag.figures.kinds.errors_by_epoch import RASTER_FROM, draw_on
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES

EPOCHS, MEMBERS = 5, 3
LAMS = [1.0, 0.0]


def draw(result, **options):
    return errors_by_epoch.draw([("toy", result)], **options)


def made_up(lams, members=MEMBERS, epochs=EPOCHS, trials=2):
    """A result in which every number is another and member `i % members` leads at the i-th λ."""
    shape = (len(lams), trials, epochs, 3, members)
    errors = np.arange(np.prod(shape)).reshape(shape) / np.prod(shape)
    leader = np.empty(shape[:-1], int)
    leader[...] = (np.arange(len(lams)) % members)[:, None, None, None]
    dims = ("lam", "trial", "epoch", "split")
    return xr.Dataset(
        {
            "member_error": ((*dims, "member"), errors),
            "ensemble_error": (dims, errors.min(-1) / 2),
            "leader": (dims, leader),
        },
        coords={
            "lam": lams,
            "trial": np.arange(trials),
            "epoch": np.arange(epochs),
            "split": ["train", "val", "test"],
        },
        attrs={"early_epoch": 3},
    )


@pytest.fixture
def result():
    return made_up(LAMS)


def visible(figure):
    return [axes for axes in figure.axes if axes.get_visible()]


def lines(axes, color):
    return [line for line in axes.lines if mpl.colors.same_color(line.get_color(), color)]


def test_a_panel_shows_the_members_the_ensemble_and_the_leader_of_one_lambda_and_split(result):
    panels = visible(draw(result))
    assert len(panels) == 4
    wanted = [(0.0, "train"), (1.0, "train"), (0.0, "test"), (1.0, "test")]
    for axes, (lam, split) in zip(panels, wanted, strict=True):
        lane = 100 * result.sel(lam=lam, split=split, trial=0)
        members = lines(axes, style.MEMBER)
        np.testing.assert_allclose(
            [line.get_ydata() for line in members], lane["member_error"].values.T
        )
        assert all(line.get_xdata().tolist() == [0, 1, 2, 3, 4] for line in members)
        [ensemble] = lines(axes, style.ENSEMBLE)
        np.testing.assert_allclose(ensemble.get_ydata(), lane["ensemble_error"])
        [leader] = lines(axes, style.LEADER)
        np.testing.assert_allclose(
            leader.get_ydata(), lane["member_error"].values[:, LAMS.index(lam)]
        )


def test_panels_are_sorted_by_lambda_and_labeled(result):
    panels = visible(draw(result))
    assert [axes.get_title() for axes in panels] == [r"$\lambda = 0$", r"$\lambda = 1$", "", ""]
    assert [axes.get_ylabel() for axes in panels] == [
        "Training error (%)",
        "",
        "Test error (%)",
        "",
    ]
    assert [axes.get_xlabel() for axes in panels] == ["", "", "Epoch", "Epoch"]


def test_another_trial_can_be_drawn(result):
    axes = visible(draw(result, trial=1))[0]
    expected = 100 * result["ensemble_error"].sel(lam=0, split="train", trial=1)
    np.testing.assert_allclose(lines(axes, style.ENSEMBLE)[0].get_ydata(), expected)


def test_the_leader_is_the_one_at_the_end_of_training(result):
    result["leader"].loc[{"lam": 0.0, "split": "train", "epoch": 4}] = 2
    result["leader"].loc[{"lam": 0.0, "split": "test"}] = 0
    for axes in visible(draw(result))[::2]:
        [leader] = lines(axes, style.LEADER)
        np.testing.assert_array_equal(leader.get_ydata(), lines(axes, style.MEMBER)[2].get_ydata())


@pytest.mark.parametrize(("epochs", "marked"), [(4, False), (5, True)])
def test_the_early_epoch_of_the_result_is_marked_where_epochs_follow_it(epochs, marked):
    for early, result in (
        (3, made_up([0.5], epochs=epochs)),
        (2, made_up([0.5], epochs=epochs - 1)),
    ):
        axes = visible(draw(result.assign_attrs(early_epoch=early)))[0]
        marks = [line for line in axes.lines if line.get_linestyle() == ":"]
        assert [line.get_xdata() for line in marks] == [[early, early]] * marked


@pytest.mark.slow
@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 2), (3, 3, 2), (4, 2, 4), (7, 3, 6)])
def test_panels_go_into_rows_of_three(count, columns, rows):
    figure = draw(made_up(np.linspace(0, 1, count)))
    grid = figure.axes[0].get_gridspec()
    assert (grid.ncols, grid.nrows) == (columns, rows)
    assert len(visible(figure)) == 2 * count
    titles = [axes.get_title() for axes in visible(figure) if axes.get_title()]
    assert titles == [style.lam_text(lam) for lam in np.linspace(0, 1, count)]


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 4, 7])
def test_every_epoch_axis_has_tick_labels(count):
    panels = visible(draw(made_up(np.linspace(0, 1, count))))
    bottom = [axes for axes in panels if axes.get_xlabel()]
    assert len(bottom) == count
    for axes in bottom:
        assert all(tick.label1.get_visible() for tick in axes.xaxis.get_major_ticks())


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_legend_labels_what_is_drawn(result):
    assert legend(draw(result)) == ["members", "leader", "ensemble", "epoch 3"]


def test_the_legend_labels_a_leader_that_only_later_panels_show(result):
    """As while a run trains whose first lane in order of λ has not begun."""
    result["leader"].loc[{"lam": 0.0}] = -1
    figure = draw(result)
    assert lines(visible(figure)[1], style.LEADER)
    assert "leader" in legend(figure)


def test_a_single_member_is_not_a_leader():
    figure = draw(made_up([0.0, 1.0], members=1))
    assert legend(figure) == ["members", "ensemble", "epoch 3"]


def test_a_lane_without_a_completed_epoch_has_no_panel(result):
    begun = result["lam"] == 0
    result = result.where(begun).assign(leader=result["leader"].where(begun, -1))
    assert [panel.get_title() for panel in visible(draw(result))] == [r"$\lambda = 0$", ""]


def test_a_run_with_epoch_0_alone_is_drawn_without_a_warning(result):
    [first, *_] = visible(draw(result.isel(epoch=[0])))
    assert first.get_xlim()[0] <= 0 < first.get_xlim()[1]


@pytest.mark.parametrize(("members", "raster"), [(RASTER_FROM - 1, False), (RASTER_FROM, True)])
def test_many_members_are_pixels_in_a_pdf(members, raster):
    axes = Figure().add_subplot()
    draw_on(made_up([0.5], members).isel(lam=0, trial=0).sel(split="test"), 0, axes)
    assert {bool(line.get_rasterized()) for line in lines(axes, style.MEMBER)} == {raster}
    assert not lines(axes, style.ENSEMBLE)[0].get_rasterized()


def test_the_result_is_not_changed(result):
    before = result.copy(deep=True)
    draw(result)
    assert result.identical(before)


@pytest.mark.parametrize("missing", ["member_error", "ensemble_error", "leader"])
def test_a_missing_variable_is_an_error_and_no_empty_panel(result, missing):
    with pytest.raises(KeyError, match=missing):
        draw(result.drop_vars(missing))


@pytest.mark.slow
def test_it_draws_the_result_of_the_probe_that_it_names(toy):
    measured = PROBES.find(errors_by_epoch.FIGURE.needs).ask(toy, Options(metrics_only=True))
    panels = visible(draw(measured))
    assert len(panels) == 6
    expected = 100 * toy.metrics()["ensemble_error"].sel(lam=1, split="test", trial=0)
    np.testing.assert_allclose(lines(panels[-1], style.ENSEMBLE)[0].get_ydata(), expected)
