import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from scipy.stats import ttest_1samp

from jtdiag.commands import main
from jtdiag.figures.kinds import capacity
from jtdiag.figures.kinds.capacity import draw
from jtdiag.probing.running import probe as ask


def result(lams, errors, size, similar, trials=3):
    """A result whose λs are all worse than the lowest, except one that varies a lot."""
    errors = np.asarray(errors, float)
    by_trial = errors[:, None] + np.linspace(-0.01, 0.01, trials)
    by_trial[:, 0] += 0.001 * np.arange(len(lams))
    by_trial[lams.index(similar)] += 0.2 * np.arange(trials) - 0.1 * (trials - 1)
    by_split = {"error_mean": errors, "error_smoothed": errors}
    return xr.Dataset(
        {n: (("lam", "split"), v[:, None]) for n, v in by_split.items()}
        | {
            "error": (("lam", "trial", "split"), by_trial[..., None]),
            "optimum": ("split", [lams[int(errors.argmin())]]),
            "parameters_per_member": ((), float(size)),
        },
        coords={"lam": lams, "split": ["test"]},
        attrs={"members": 16},
    )


@pytest.fixture
def two():
    return [
        ("large", result([0.0, 0.5, 1.0], [0.1, 0.2, 0.3], 1e6, 0.5)),
        ("small", result([0.0, 0.9, 1.0], [0.3, 0.1, 0.2], 1e3, 1.0)),
    ]


def test_there_is_a_line_for_each_run_on_one_axis_of_all_lambdas(two):
    left, _ = draw(two).axes
    small, large = left.containers
    assert small.lines[0].get_xdata().tolist() == [0, 2, 3]
    assert large.lines[0].get_xdata().tolist() == [0, 1, 3]
    np.testing.assert_allclose(small.lines[0].get_ydata(), [30, 10, 20], atol=0.1)
    np.testing.assert_allclose(large.lines[0].get_ydata(), [10, 20, 30], atol=0.1)
    assert [t.get_text() for t in left.get_xticklabels()] == ["0", "0.5", "0.9", "1"]
    assert [c.get_label() for c in left.containers] == [
        "small: 16 × 1,000 parameters",
        "large: 16 × 1,000,000 parameters",
    ]


def test_branches_share_the_parameters_of_one_network(two):
    for _, result in two:
        result.attrs["branched"] = 1
    left, _ = draw(two).axes
    assert left.containers[0].get_label() == "small: 16 branches, 1,000 parameters in total"


def of_size_8(axes):
    return [line for line in axes.lines if line.get_markersize() == 8]


def test_the_best_lambdas_are_marked_in_both_panels(two):
    left, right = draw(two).axes
    marks = [line.get_xdata().tolist() for line in of_size_8(left)]
    assert marks == [[2], [3], [0], [1]]  # lowest and rings, by size
    rings = [line for line in right.lines if line.get_markersize() != 8]
    assert [line.get_ydata().tolist() for line in rings] == [[2, 3], [0, 1]]
    assert [line.get_xdata().tolist() for line in rings] == [[1e3, 1e3], [1e6, 1e6]]
    assert [line.get_ydata().tolist() for line in of_size_8(right)] == [[2], [0]]


def test_bars_are_the_intervals_over_trials(two):
    left, _ = draw(two).axes
    [bars] = left.containers[0].lines[2]
    for row, segment in zip(two[1][1]["error"].values[..., 0], bars.get_segments(), strict=True):
        scipys = ttest_1samp(100 * row, 0).confidence_interval(0.95)
        np.testing.assert_allclose(segment[:, 1], [max(0, scipys.low), scipys.high])


def test_one_run_has_one_panel_and_two_trials_no_rings():
    [axes] = draw([("alone", result([0.0, 0.5], [0.1, 0.2], 1e6, 0.5, trials=2))]).axes
    assert [line.get_xdata().tolist() for line in of_size_8(axes)] == [[0], []]


def test_an_unknown_size_is_labeled_and_left_out_of_the_trend(two):
    two[0][1]["parameters_per_member"] = np.nan
    left, right = draw(two).axes
    assert "large: 16 members of unknown size" in [c.get_label() for c in left.containers]
    assert len(of_size_8(right)) == 1


@pytest.mark.slow
def test_several_runs_share_one_figure_in_the_folder_of_the_first(small_run, toy_copy):
    for run in (small_run, toy_copy):
        ask(run, "capacity")
    ran = CliRunner().invoke(main, ["plot", str(small_run.path), str(toy_copy.path), "capacity"])
    assert (ran.exit_code, ran.stderr) == (0, "")
    made = small_run.path / "figures" / "capacity.pdf"
    assert ran.stdout.splitlines() == [str(made), str(made.with_suffix(".png"))]
    assert not (toy_copy.path / "figures").exists()
    for run in (small_run, toy_copy):
        assert f"recipe {run.recipe_hash}".encode() in made.read_bytes()


def test_the_results_are_not_changed(two):
    before = [result.copy(deep=True) for _, result in two]
    draw(two)
    assert all(after.identical(b) for (_, after), b in zip(two, before, strict=True))


def test_it_draws_several_results():
    assert capacity.FIGURE.compares
