import numpy as np
import pytest
import xarray as xr

from jtdiag.errors import ProbeError
from jtdiag.figures.kinds import specialisation
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES
from jtdiag.report import alt_text


def draw(result, **options):
    return specialisation.draw([("toy", result)], **options)


def panels(figure):
    """Panels without the color bar."""
    return [axes for axes in figure.axes if axes.get_title()]


def result_of(members=3, modes=2, lams=(1.0, 0.0)):
    """Two trials and three epochs, of which the last has no outputs."""
    random = np.random.default_rng(0)
    share = random.uniform(-0.1, 1, (len(lams), 2, 3, 1, modes, members))
    share /= share.sum(-1, keepdims=True)
    sigma = np.tile(np.geomspace(4, 1, modes), (len(lams), 2, 3, 1, 1))
    weight, won = (
        sigma**2 / (sigma**2).sum(-1, keepdims=True),
        random.random(share[..., 0, :].shape),
    )
    for array in (share, sigma, weight, won):
        array[:, :, 2] = np.nan
    lane = ("lam", "trial", "epoch", "split")
    return xr.Dataset(
        {
            "mode_share": ((*lane, "mode", "member"), share),
            "singular_value": ((*lane, "mode"), sigma),
            "mode_weight": ((*lane, "mode"), weight),
            "weight_won": ((*lane, "member"), won),
        },
        coords={
            "lam": list(lams),
            "epoch": [0, 1, 2],
            "split": ["test"],
            "mode": np.arange(modes) + 1,
            "member": np.arange(members),
        },
    )


def test_each_panel_has_the_shares_of_the_last_epoch_with_outputs_in_percent():
    result = result_of()
    drawn = panels(draw(result, trial=1))
    for panel, lam in zip(drawn, (0.0, 1.0), strict=True):
        shares = result["mode_share"].sel(lam=lam, epoch=1, split="test").isel(trial=1)
        np.testing.assert_allclose(panel.images[0].get_array(), 100 * shares)
        assert panel.images[0].get_clim() == (0, 100)
        written = [text.get_text() for text in panel.texts]
        assert written == [
            f"{v:.0f}".replace("-0", "0").replace("-", "−") for v in 100 * shares.values.ravel()
        ]


def test_titles_name_the_ends_and_rows_their_weight():
    first, last = panels(draw(result_of()))
    assert first.get_title().startswith(r"$\lambda = 0$")
    assert first.get_title().endswith("independent")
    assert last.get_title().endswith("end to end")
    assert [t.get_text() for t in first.get_yticklabels()] == ["1 (94 %)", "2 (6 %)"]
    [alone] = panels(draw(result_of(lams=(0.9,))))
    assert alone.get_title() == r"$\lambda = 0.9$"


def test_of_many_members_those_that_win_most_are_shown_without_numbers():
    result = result_of(members=20, modes=15)
    first, _ = panels(draw(result))
    won = result["weight_won"].sel(lam=0.0, epoch=1, split="test").isel(trial=0).values
    expected = sorted(np.argsort(-won)[:16])
    assert [int(t.get_text()) for t in first.get_xticklabels()] == expected
    assert first.images[0].get_array().shape == (12, 16)
    assert not first.texts


def test_modes_that_do_not_exist_have_no_row():
    result = result_of(modes=3)
    for name in ("singular_value", "mode_weight", "mode_share"):
        result[name][{"mode": 2}] = np.nan
    assert len(panels(draw(result))[0].get_yticklabels()) == 2


def test_a_run_without_outputs_is_one_line():
    result = result_of()
    result["mode_share"][:] = np.nan
    with pytest.raises(ProbeError, match=r"stores no outputs on the test split\. Train with"):
        draw(result)


@pytest.mark.slow
def test_a_trained_run_is_drawn_and_described_and_not_changed(toy):
    result = PROBES.find("specialisation").ask(toy, Options())
    before = result.copy(deep=True)
    figure = draw(result)
    assert result.identical(before)
    text = alt_text.in_words(figure, specialisation.FIGURE.caption)
    assert text.startswith("Shares of the members in the modes of the ensemble's outputs")
