import numpy as np
import pytest

from jtdiag.figures import style
from jtdiag.figures.kinds import members_against_lambda
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES


def draw(result):
    return members_against_lambda.draw([("toy", result)])


@pytest.fixture
def result(toy):
    return PROBES.find(members_against_lambda.FIGURE.needs).ask(toy, Options())


def test_lines_are_ensemble_and_median_member_by_split_in_order_of_lambda(result, toy):
    for axes, split in zip(draw(result.isel(lam=[2, 0, 1])).axes, ("train", "test"), strict=True):
        assert axes.get_title() == style.LABELS[split]
        assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "0.9", "1"]
        median, ensemble = (container.lines[0].get_ydata() for container in axes.containers)
        for name, drawn in (("ensemble_error", ensemble), ("median_member_error", median)):
            expected = result[name].sel(split=split).sortby("lam").mean("trial")
            np.testing.assert_allclose(drawn, 100 * expected)


def test_bars_are_the_intervals_of_the_result(result):
    _, right = draw(result).axes
    [bars] = right.containers[1].lines[2]
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    test = 100 * result.sel(split="test")
    mean = test["ensemble_error_mean"]  # without spread over trials there is no bar
    low, high = (test[f"ensemble_error_{end}"].fillna(mean) for end in ("low", "high"))
    np.testing.assert_allclose(ends, np.stack([low.clip(min=0), high], 1), atol=1e-12)


def test_the_shade_reaches_from_the_best_member_to_the_worst(result):
    _, right = draw(result).axes
    [shade] = right.collections[:1]
    ends = shade.get_paths()[0].vertices
    at_1 = ends[ends[:, 0] == 2][:, 1]
    for edge, name in ((at_1.min(), "best"), (at_1.max(), "worst")):
        expected = result[f"{name}_member_error"].sel(split="test", lam=1).mean("trial")
        assert edge == pytest.approx(100 * float(expected))


def test_the_result_is_not_changed(result):
    before = result.copy(deep=True)
    draw(result)
    assert result.identical(before)
