import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from jtdiag.figures import style
from jtdiag.figures.kinds import error_by_combiner
from jtdiag.figures.kinds.error_by_combiner import draw_on
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES

WAYS = ("logits_error", "probabilities_error", "vote_error")


def draw(result):
    return error_by_combiner.draw([("toy", result)])


@pytest.fixture
def result():
    """Two λ in no order, two trials, three epochs; outputs of epoch 1 are the last kept."""
    random = np.random.default_rng(0)
    errors = random.uniform(0.1, 0.3, (2, 2, 3, 2))
    errors[:, :, 2] = np.nan
    return xr.Dataset(
        {
            name: (("lam", "trial", "epoch", "split"), errors + 0.1 * i)
            for i, name in enumerate(WAYS)
        }
        | {"last_epoch": (("lam", "trial"), np.ones((2, 2), int))},
        coords={"lam": [1.0, 0.0], "trial": [0, 1], "epoch": range(3), "split": ["val", "test"]},
    )


def drawn(result):
    axes = Figure().add_subplot()
    draw_on(result, axes)
    return axes


def test_points_are_mean_test_errors_in_percent_at_the_last_stored_epoch(result):
    for name, bars in zip(WAYS, drawn(result).containers, strict=True):
        at = result[name].sel(split="test", epoch=1, lam=[0.0, 1.0])
        np.testing.assert_allclose(bars.lines[0].get_ydata(), 100 * at.mean("trial"))
        ends = [segment[:, 1] for segment in bars.lines[2][0].get_segments()]
        mean, se = 100 * at.mean("trial").values, 100 * at.std("trial", ddof=1).values / np.sqrt(2)
        reach = 12.706205 * se  # Student's, with one degree of freedom
        np.testing.assert_allclose([e[1] for e in ends], mean + reach, rtol=1e-6)
        np.testing.assert_allclose([e[0] for e in ends], np.maximum(mean - reach, 0), atol=1e-6)


def test_a_family_without_votes_has_two_kinds_of_points(result):
    result["vote_error"][:] = np.nan
    assert [c.get_label() for c in drawn(result).containers] == [
        "averaged logits",
        "averaged probabilities",
    ]


def test_the_label_names_the_familys_measure(result):
    assert drawn(result).get_ylabel() == "Ensemble test error (%)"
    result.attrs["error_measure"] = "fraction of variance unexplained"
    assert drawn(result).get_ylabel().endswith("\n(% of variance unexplained)")


def test_an_error_of_members_that_diverged_does_not_flatten_the_others(result):
    result["vote_error"][0] = 1e6
    assert drawn(result).get_ylim() == (0, style.MAX_ERROR)


def test_one_trial_has_no_bars(result):
    for bars in drawn(result.isel(trial=[0])).containers:
        assert all(np.ptp(segment[:, 1]) == 0 for segment in bars.lines[2][0].get_segments())


@pytest.mark.slow
def test_it_draws_what_the_probe_measures(toy):
    figure = draw(PROBES.find("combiners").ask(toy, Options()))
    assert len(figure.legends[0].get_texts()) == 3
