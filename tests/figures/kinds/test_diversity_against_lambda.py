import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from scipy.stats import sem, t as student

from jtdiag.figures import style
from jtdiag.figures.kinds import diversity_against_lambda
from jtdiag.figures.kinds.diversity_against_lambda import TERMS, draw_on
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES

LAMS = [1.0, 0.0, 0.9]


def draw(result):
    return diversity_against_lambda.draw([("toy", result)])


@pytest.fixture
def result():
    """Two trials at three λ in no order, chosen at other epochs; every number is another."""
    shape = (3, 2, 4, 3)
    members = 1 + np.random.default_rng(0).uniform(0, 1, shape)
    dims = ("lam", "trial", "epoch", "split")
    return xr.Dataset(
        {
            "mean_member_loss": (dims, members),
            "ensemble_loss": (dims, members / 2),
            "diversity": (dims, members / 2),
            "chosen_epoch": (("lam", "trial"), [[3, 1], [2, 2], [1, 3]]),
        },
        coords={"lam": LAMS, "trial": [0, 1], "epoch": range(4), "split": ["train", "val", "test"]},
    )


def at_chosen(result, name, split):
    """Values (lam, trial) in order of λ."""
    rows = []
    for i in np.argsort(LAMS):
        epochs = result["chosen_epoch"].values[i]
        values = result[name].sel(split=split).values[i]
        rows.append([values[t, epoch] for t, epoch in enumerate(epochs)])
    return np.array(rows)


def test_each_term_is_the_mean_at_the_chosen_epochs_with_its_interval(result):
    for axes, split in zip(draw(result).axes, ("train", "test"), strict=True):
        for (name, *_), drawn in zip(TERMS, axes.containers, strict=True):
            expected = at_chosen(result, name, split)
            line, _, [bars] = drawn.lines
            np.testing.assert_allclose(line.get_ydata(), expected.mean(1), rtol=1e-12)
            ends = [segment[:, 1] for segment in bars.get_segments()]
            mean = expected.mean(1)
            reach = student.isf(0.025, expected.shape[1] - 1) * sem(expected, axis=1)
            low = np.maximum(mean - reach, 0.1 * mean)  # the axis is logarithmic
            np.testing.assert_allclose(ends, np.stack([low, mean + reach], 1), rtol=1e-9)


def test_panels_are_training_and_test_with_lambdas_in_order(result):
    left, right = draw(result).axes
    assert (left.get_title(), right.get_title()) == ("Training", "Test")
    for axes in (left, right):
        assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "0.9", "1"]
        assert axes.get_yscale() == "log"


def test_each_term_has_its_colour_and_name(result):
    figure = draw(result)
    colors = [container.lines[0].get_color() for container in figure.axes[0].containers]
    assert colors == [style.MEMBER, style.ENSEMBLE, style.LEADER]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["mean member loss", "ensemble loss", "diversity"]


def test_with_one_trial_there_are_no_bars(result):
    for container in draw(result.isel(trial=[0])).axes[0].containers:
        assert all(np.ptp(segment[:, 1]) == 0 for segment in container.lines[2][0].get_segments())


def test_a_bar_never_reaches_below_zero_on_the_logarithmic_scale(result):
    result["diversity"][:, 0] = 1e-6
    for container in draw(result).axes[1].containers:
        assert all((segment[:, 1] > 0).all() for segment in container.lines[2][0].get_segments())


def test_0_and_nan_are_gaps(result):
    result["diversity"][:] = 0
    result["chosen_epoch"][0] = -1
    axes = Figure().add_subplot()
    at = result.isel(epoch=1).where(result["chosen_epoch"] >= 0).sortby("lam").sel(split="test")
    draw_on(at, axes)
    members, _, diversity = (container.lines[0].get_ydata() for container in axes.containers)
    assert np.isnan(diversity).all()
    assert np.isnan(members).tolist() == [False, False, True]


def test_the_result_is_not_changed(result):
    before = result.copy(deep=True)
    draw(result)
    assert result.identical(before)


@pytest.mark.parametrize("missing", ["mean_member_loss", "diversity", "chosen_epoch"])
def test_a_missing_variable_is_an_error_and_no_empty_panel(result, missing):
    with pytest.raises(KeyError, match=missing):
        draw(result.drop_vars(missing))


@pytest.mark.slow
def test_it_draws_the_result_of_the_probe_that_it_names(toy):
    measured = PROBES.find(diversity_against_lambda.FIGURE.needs).ask(
        toy, Options(metrics_only=True)
    )
    performance = PROBES.find("performance").ask(toy, Options())
    line = draw(measured).axes[1].containers[2].lines[0]
    np.testing.assert_allclose(
        line.get_ydata(), performance["diversity_mean"].sel(split="test"), rtol=1e-12
    )
