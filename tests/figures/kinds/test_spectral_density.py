import numpy as np
import pytest
import xarray as xr

from jtdiag.errors import ProbeError
from jtdiag.figures import style
from jtdiag.figures.kinds import spectral_density
from jtdiag.figures.kinds.spectral_density import SMALLEST_DECADE
from jtdiag_probes.linalg import density


def draw(result):
    return spectral_density.draw([("toy", result)])


@pytest.fixture
def result():
    at = density.axis(41)
    shape = np.exp(-(density.decades(at) ** 2))
    rows = np.stack([shape, 2 * shape, np.full(41, np.nan)])[:, None]
    dims = ("lam", "trial", "eigenvalue")
    return xr.Dataset(
        {"density": (dims, rows), "density_se": (dims, rows / 10)},
        coords={"lam": [1.0, 0.0, 0.5], "trial": [0], "eigenvalue": at},
    )


def test_there_is_a_line_for_each_lambda_that_keeps_checkpoints(result):
    [ax] = draw(result).axes
    assert [line.get_label() for line in ax.lines] == [r"$\lambda = 0$", r"$\lambda = 1$"]
    expected = result["density"].sel(lam=0.0, trial=0)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.maximum(expected, 1e-7))
    assert len(ax.collections) == 2


def test_the_axis_is_that_of_the_probe(result):
    [ax] = draw(result).axes
    assert density.SMALLEST_DECADE == SMALLEST_DECADE
    places = density.decades(result["eigenvalue"].values)
    np.testing.assert_allclose(ax.lines[0].get_xdata(), places)
    ticks = dict(zip([t.get_text() for t in ax.get_xticklabels()], ax.get_xticks(), strict=True))
    assert ticks["$10^{0}$"] == pytest.approx(density.decades(np.array(1.0)))
    assert ticks["$-10^{2}$"] == -ticks["$10^{2}$"]
    assert ticks["0"] == 0


def test_a_lambda_has_the_colour_that_it_has_everywhere(result):
    [ax] = draw(result).axes
    assert [line.get_color() for line in ax.lines] == [style.lam_colour(lam) for lam in (0, 1)]


def test_a_run_without_checkpoints_is_one_line(result):
    with pytest.raises(ProbeError, match="stores no checkpoints"):
        draw(result.where(result["lam"] > 2))
