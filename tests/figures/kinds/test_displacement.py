import numpy as np
import pytest
import xarray as xr

from jtdiag.errors import ProbeError
from jtdiag.figures import style
from jtdiag.figures.kinds import displacement
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES

LAMS = [1.0, 0.0]


def draw(result, **options):
    return displacement.draw([("toy", result)], **options)


@pytest.fixture
def result():
    """Five members at two λ, in two trials, with checkpoints of epochs 0, 1 and 3."""
    values = np.random.default_rng(0).uniform(1, 2, (2, 2, 4, 5))
    values[:, :, 0] = 0
    values[:, :, 2] = np.nan
    return xr.Dataset(
        {"displacement": (("lam", "trial", "epoch", "member"), values)},
        coords={"lam": LAMS, "trial": [0, 1], "epoch": range(4)},
    )


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_dots_are_the_members_of_the_first_trial_sorted(result):
    [axes] = draw(result).axes
    for line, lam in zip(axes.lines, sorted(LAMS), strict=True):
        expected = sorted(result["displacement"].sel(lam=lam, trial=0, epoch=3).values)
        np.testing.assert_allclose(line.get_ydata(), expected)
        assert line.get_xdata().tolist() == [1, 2, 3, 4, 5]
        assert line.get_color() == style.lam_colour(lam)


def test_another_trial_can_be_drawn(result):
    [axes] = draw(result, trial=1).axes
    expected = sorted(result["displacement"].sel(lam=0, trial=1, epoch=3).values)
    np.testing.assert_allclose(axes.lines[0].get_ydata(), expected)


def test_each_lambda_is_drawn_at_its_own_last_checkpoint(result):
    result["displacement"].loc[{"lam": 0.0, "epoch": 3}] = np.nan
    figure = draw(result)
    assert legend(figure) == [r"$\lambda = 0$, epoch 1", r"$\lambda = 1$, epoch 3"]


def test_a_lambda_without_a_completed_epoch_is_left_out(result):
    result["displacement"].loc[{"lam": 1.0}] = np.nan
    assert legend(draw(result)) == [r"$\lambda = 0$, epoch 3"]


@pytest.mark.parametrize("epochs", [[0], [0, 2]])
def test_without_checkpoints_one_line_says_what_to_keep(result, epochs):
    with pytest.raises(ProbeError, match="epoch 0 and a later one.*keep.checkpoints"):
        draw(result.isel(epoch=epochs))


def test_the_axis_begins_at_0(result):
    assert draw(result).axes[0].get_ylim()[0] == 0


def test_the_result_is_not_changed(result):
    before = result.copy(deep=True)
    draw(result)
    assert result.identical(before)


@pytest.mark.slow
def test_it_draws_the_result_of_the_probe_that_it_names(toy):
    measured = PROBES.find(displacement.FIGURE.needs).ask(toy, Options())
    [axes] = draw(measured).axes
    assert len(axes.lines) == 3
    expected = measured["displacement"].sel(lam=0.9, trial=0, epoch=4)
    np.testing.assert_allclose(axes.lines[1].get_ydata(), np.sort(expected))
