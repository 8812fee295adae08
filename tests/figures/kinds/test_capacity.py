import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from jtdiag.commands import main
from jtdiag.figures.kinds import capacity
from jtdiag.figures.kinds.capacity import draw
from jtdiag.probing.running import probe as ask


def result(lams, errors, size, low, high):
    errors = np.asarray(errors, float)
    best = lams[int(errors.argmin())]
    by_split = {"error_mean": errors, "error_smoothed": errors}
    by_trial = np.stack([errors - 0.01, errors + 0.01], 1)[:, :, None]
    return xr.Dataset(
        {n: (("lam", "split"), v[:, None]) for n, v in by_split.items()}
        | {
            "error": (("lam", "trial", "split"), by_trial),
            "optimum": ("split", [best]),
            "optimum_low": ("split", [low]),
            "optimum_high": ("split", [high]),
            "parameters_per_member": ((), float(size)),
        },
        coords={"lam": lams, "split": ["test"]},
        attrs={"members": 16},
    )


@pytest.fixture
def two():
    return [
        ("large", result([0.0, 0.5, 1.0], [0.1, 0.2, 0.3], 1e6, 0.0, 0.5)),
        ("small", result([0.0, 0.9, 1.0], [0.3, 0.1, 0.2], 1e3, 0.9, 1.0)),
    ]


def test_there_is_a_line_for_each_run_on_one_axis_of_all_lambdas(two):
    left, _ = draw(two).axes
    small, large = left.containers
    assert small.lines[0].get_xdata().tolist() == [0, 2, 3]
    assert large.lines[0].get_xdata().tolist() == [0, 1, 3]
    np.testing.assert_allclose(small.lines[0].get_ydata(), [30, 10, 20])
    np.testing.assert_allclose(large.lines[0].get_ydata(), [10, 20, 30])
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


def test_the_optimum_is_marked_with_its_interval(two):
    left, right = draw(two).axes
    marks = [line for line in left.lines if line.get_markersize() == 8]
    assert [(int(m.get_xdata()[0]), float(m.get_ydata()[0])) for m in marks] == [(2, 10), (0, 10)]
    spans = [line.get_xdata().tolist() for line in left.lines if line.get_linewidth() == 4]
    assert spans == [[2, 3], [0, 1]]
    sizes = [c.lines[0].get_xdata()[0] for c in right.containers]
    assert sizes == [1e3, 1e6]
    ends = [c.lines[2][0].get_segments()[0][:, 1].tolist() for c in right.containers]
    assert ends == [[2, 3], [0, 1]]


def test_one_run_has_one_panel_and_one_trial_no_interval(two):
    name, alone = two[0]
    alone["optimum_low"][:] = alone["optimum_high"][:] = np.nan
    [axes] = draw([(name, alone)]).axes
    assert [line for line in axes.lines if line.get_linewidth() == 4] == []


def test_an_unknown_size_is_labeled_and_left_out_of_the_trend(two):
    two[0][1]["parameters_per_member"] = np.nan
    left, right = draw(two).axes
    assert "large: 16 members of unknown size" in [c.get_label() for c in left.containers]
    assert len(right.containers) == 1


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
