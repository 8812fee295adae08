import numpy as np
import pytest
import xarray as xr

from jtdiag.compare import sources
from jtdiag.errors import ProbeError
from jtdiag.figures.kinds import transfer

SCORES = ["AL", "LogME"]
DIMS = ("lam", "trial", "epoch", "member", "layer", "target")


def result_of(lams=(0.0, 1.0), targets=6, own=None, seed=0, trials=2):
    random = np.random.default_rng(seed)
    shape = (len(lams), trials, 2, 3, 2, targets)
    error = random.uniform(0.05, 0.2, shape)
    measured = xr.Dataset(
        {
            "head_error": (DIMS, error),
            "head_loss": (DIMS, error),
            "score_value": ((*DIMS, "score"), random.normal(size=(*shape, 2))),
            "input_error": (("trial", "target"), np.full((trials, targets), 0.2)),
            "own_task": ("target", [int(i == own) for i in range(targets)]),
        },
        coords={
            "lam": list(lams),
            "epoch": [0, 3],
            "layer": ["layer1", "layer2"],
            "target": [f"{i} | {i + 1}" for i in range(targets)],
            "score": SCORES,
        },
    )
    return measured.merge(sources.of_run(measured))


def draw(*results):
    names = [f"run {i}" for i in range(len(results))]
    return transfer.draw(list(zip(names, results, strict=True)))


def rows(figure):
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_rows_of_a_run_are_controls_and_layers_at_each_lam():
    result = result_of()
    figure = draw(result)
    assert rows(figure) == [
        "inputs", "layer2 before training",
        "$\\lambda = 0$, layer1", "$\\lambda = 0$, layer2",
        "$\\lambda = 1$, layer1", "$\\lambda = 1$, layer2",
    ]  # fmt: skip
    own = 100 * result["head_error"].sel(lam=1.0, epoch=3, layer="layer1").mean(("trial", "member"))
    texts = [text.get_text() for text in figure.axes[0].texts if text.get_position()[1] == 4]
    assert sorted(texts) == sorted(f"{x:.1f}" if x < 9.95 else f"{x:.0f}" for x in own.values)


def test_lanes_end_at_epochs_of_their_own():
    result = result_of()
    result = xr.concat(
        [result, result.assign_coords(epoch=[0, 5]).isel(epoch=[1])], "epoch", data_vars="minimal"
    )
    result["head_error"][0, :, 2] = np.nan
    own = result["head_error"]
    last = sources.at_last_epoch(result)["head_error"]
    np.testing.assert_array_equal(last.sel(lam=0.0), own.sel(lam=0.0, epoch=3))
    np.testing.assert_array_equal(last.sel(lam=1.0), own.sel(lam=1.0, epoch=5))
    assert len(rows(draw(result))) == 6


def test_colors_are_points_above_the_best_row():
    result = result_of()
    errors = transfer.rows_of_run(result)
    image = draw(result).axes[0].images[0].get_array()
    np.testing.assert_allclose(image, errors - errors.min("row"))


def test_taus_are_those_of_the_result():
    result = result_of()
    [scores, static] = draw(result).axes[1].containers
    tau = result["target_tau"].mean("trial").mean("target").values
    np.testing.assert_allclose(scores.lines[0].get_ydata(), tau[:2])
    np.testing.assert_allclose(static.lines[0].get_ydata(), tau[2:])


def test_of_several_runs_each_is_a_row_and_no_source_for_its_own_task():
    several = [result_of(lams=(1.0,), own=i, seed=i) for i in range(3)]
    figure = draw(*several)
    assert rows(figure) == ["run 0", "run 1", "run 2"]
    image = np.ma.filled(figure.axes[0].images[0].get_array(), np.nan)
    np.testing.assert_array_equal(np.isnan(image), np.eye(3, 6, dtype=bool))
    names = {f"run {i}": result for i, result in enumerate(several)}
    ranked = sources.ranked(sources.of_runs(names))
    assert ranked["sources"].values.tolist() == [9, 9]
    tau = ranked["target_tau"].mean("trial").mean("target").values
    np.testing.assert_allclose(figure.axes[1].containers[0].lines[0].get_ydata(), tau[:2])


def test_runs_with_other_tasks_are_refused():
    with pytest.raises(ProbeError, match="target tasks of run 1 and run 0 differ: 4"):
        draw(result_of(), result_of(targets=4))


def test_two_sources_have_no_panel_with_taus():
    result = result_of(lams=(1.0,)).isel(member=[0])
    result = result.drop_vars([n for n in result if n not in sources.MEASURED and n not in (
        "input_error", "own_task")])  # fmt: skip
    figure = draw(result.merge(sources.of_run(result)))
    assert len(figure.axes) == 2  # errors, and their colors


def test_scores_without_a_value_are_left_out():
    result = result_of()
    result["target_tau"][..., 1] = np.nan
    labels = [label.get_text() for label in draw(result).axes[1].get_xticklabels()]
    assert labels == ["AL", "static ranking"]


def test_before_training_there_is_nothing_to_draw():
    with pytest.raises(ProbeError, match="after training"):
        draw(result_of().isel(epoch=[0]))


def test_of_many_tasks_some_are_drawn_without_numbers():
    figure = draw(result_of(targets=20))
    assert len(figure.axes[0].get_xticks()) == transfer.ROWS
    assert not figure.axes[0].texts


@pytest.mark.parametrize("several", [1, 2])
def test_without_values(several):
    nothing = result_of() * np.nan
    with pytest.raises(ProbeError, match=r"keep\.checkpoints"):
        draw(*[nothing] * several)
