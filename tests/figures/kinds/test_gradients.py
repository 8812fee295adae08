import numpy as np
import pytest
import xarray as xr

from jtdiag.errors import ProbeError
from jtdiag.figures.kinds import gradients


def draw(result, **options):
    return gradients.draw([("toy", result)], **options)


@pytest.fixture
def result():
    """Two trials; epoch 1 keeps no checkpoint, and at λ = 1 no member has a part of its own."""
    random = np.random.default_rng(0)
    share = random.uniform(0.1, 0.2, (2, 2, 3))
    cosine = random.uniform(-1, 1, (2, 2, 3, 4))
    share[0] = 0
    share[:, :, 1], cosine[:, :, 1] = np.nan, np.nan
    dims = ("lam", "trial", "epoch")
    return xr.Dataset(
        {"disagreement_share": (dims, share), "cosine": ((*dims, "member"), cosine)},
        coords={"lam": [1.0, 0.0], "trial": [0, 1], "epoch": [0, 1, 2]},
    )


def test_lines_are_the_share_in_percent_and_the_median_cosine_of_stored_epochs(result):
    above, below = draw(result, trial=1).axes
    lane = result.sel(lam=0.0, trial=1)
    assert above.lines[0].get_xdata().tolist() == [0, 2]
    expected = 100 * lane["disagreement_share"].values[[0, 2]]
    np.testing.assert_allclose(above.lines[0].get_ydata(), expected)
    median = np.median(lane["cosine"].values[[0, 2]], 1)
    np.testing.assert_allclose(below.lines[0].get_ydata(), median)


@pytest.mark.slow
def test_the_shade_reaches_from_the_lowest_to_the_highest_member(result):
    _, below = draw(result).axes
    corners = below.collections[0].get_paths()[0].vertices[:, 1]
    cosine = result["cosine"].sel(lam=0.0, trial=0)
    assert (corners.min(), corners.max()) == (float(cosine.min()), float(cosine.max()))


def test_the_legend_labels_each_lambda(result):
    [legend] = draw(result).legends
    assert [t.get_text() for t in legend.get_texts()] == [r"$\lambda = 0$", r"$\lambda = 1$"]


def test_end_to_end_training_alone_can_be_drawn(result):
    above, _ = draw(result.sel(lam=[1.0])).axes
    assert above.get_yscale() == "linear"


def test_a_run_without_checkpoints_is_one_line(result):
    with pytest.raises(ProbeError, match="stores no checkpoints"):
        draw(result.where(result["lam"] > 2))
