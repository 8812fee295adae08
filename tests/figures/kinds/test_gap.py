import numpy as np
import pytest

from jtdiag.compare.from_end_to_end import gaps
from jtdiag.figures import style
from jtdiag.figures.contract import OtherRunsError
from jtdiag.figures.kinds.gap import draw, varying
from jtdiag.figures.print_check import problems


def errors(mean, trials=4, lams=2):
    random = np.random.default_rng(round(1e4 * mean))
    return mean + random.normal(0, 0.003, (lams, trials))


@pytest.fixture
def by_mu(credited):
    """End to end, one credit at three values of μ, another without μ."""
    return [
        ("end-to-end", credited.whole(errors(0.02), modules=4)),
        ("a", credited.of(errors(0.03), mu=0.9, modules=4)),
        ("b", credited.of(errors(0.04), mu=0.5, modules=4)),
        ("c", credited.of(errors(0.05), mu=0.0, reach=1, modules=4)),
        ("d", credited.of(errors(0.08), rule="proxy, al", modules=4)),
    ]


def ticks(ax, axis="x"):
    return [label.get_text() for label in getattr(ax, f"get_{axis}ticklabels")()]


def test_runs_of_one_credit_are_a_line_against_what_differs(by_mu):
    figure = draw(by_mu)
    assert [ax.get_title() for ax in figure.axes] == [
        "$\\lambda = 0$ ($n = 4$)",
        "$\\lambda = 1$ ($n = 4$)",
    ]
    expected = {(gap.run, gap.lam): gap.points for gap in gaps(by_mu)}
    for ax, lam in zip(figure.axes, (0.0, 1.0), strict=True):
        assert ticks(ax) == ["0", "0.5", "0.9", "none"]
        local, proxy = ax.containers
        assert (local.get_label(), proxy.get_label()) == ("local, pred", "proxy, al")
        points = [expected[name, lam] for name in "cba"]
        np.testing.assert_allclose(local.lines[0].get_ydata(), [mean for mean, *_ in points])
        segments = [sorted(s[:, 1]) for s in local.lines[2][0].get_segments()]
        np.testing.assert_allclose(segments, [(low, high) for _, low, high in points])
        np.testing.assert_allclose(np.round(local.lines[0].get_xdata()), [0, 1, 2])
        np.testing.assert_allclose(np.round(proxy.lines[0].get_xdata()), [3])


def varied(credited, *facts):
    return varying(
        gaps(
            [
                ("end-to-end", credited.whole(errors(0.02))),
                *((str(i), credited.of(errors(0.03 + i / 100), **f)) for i, f in enumerate(facts)),
            ]
        )
    )


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (({"mu": 0.0, "reach": 1}, {"mu": 0.5}), "mu"),
        (({"mu": 0.0, "reach": 1}, {"reach": 2}, {"reach": 3}), "reach"),
        (({"modules": 2}, {"modules": 4}), "modules"),
        (({"mu": 0.5}, {"mu": 0.0, "reach": 1}, {"reach": 2}), ""),
        (({"rule": "a"}, {"rule": "b"}), ""),
        (({"mu": 0.5}, {"mu": 0.0}, {"mu": 0.0}), ""),  # something else differs as well
    ],
)
def test_the_axis_is_what_differs_between_runs_of_one_credit(credited, facts, expected):
    assert varied(credited, *facts) == expected


def test_runs_that_differ_otherwise_are_rows(credited):
    runs = [
        ("end-to-end", credited.whole(errors(0.02))),
        ("x", credited.of(errors(0.05), rule="local, sim")),
        ("y", credited.of(errors(0.07), rule="frozen")),
    ]
    figure = draw(runs)
    [ax] = figure.axes
    assert ticks(ax, "y") == ["x", "y"]
    assert figure.get_supxlabel() == "Test error minus end to end (points), $n = 4$"
    at_0, at_1 = ax.containers
    expected = {(gap.run, gap.lam): gap.points.mean for gap in gaps(runs)}
    for container, lam in ((at_0, 0.0), (at_1, 1.0)):
        means = [expected[name, lam] for name in "xy"]
        np.testing.assert_allclose(container.lines[0].get_xdata(), means)


def test_one_lambda_is_named_and_numbers_of_trials_may_differ(credited):
    runs = [
        ("end-to-end", credited.whole(errors(0.02, 5, 1), lams=(0.0,))),
        ("x", credited.of(errors(0.05, 5, 1), lams=(0.0,), rule="a")),
        ("y", credited.of(errors(0.07, 3, 1), lams=(0.0,), rule="b")),
    ]
    assert draw(runs).get_supxlabel().endswith("(points), $\\lambda = 0$, $n = 3$ to $5$")


def test_one_trial_is_drawn_without_intervals(credited):
    one = [("end-to-end", credited.whole(errors(0.02, 1))), ("x", credited.of(errors(0.05, 1)))]
    [ax] = draw(one).axes
    for container in ax.containers:
        [segments] = [each.get_segments() for each in container.lines[2]]
        assert np.ptp(segments[0][:, 0]) == 0


def test_without_a_run_to_compare_with_it_is_one_line(credited):
    local = ("local", credited.of(errors(0.05)))
    for runs in ([local], [local, ("other", credited.whole(errors(0.02), setting="b"))]):
        with pytest.raises(OtherRunsError, match="No run can be compared with end-to-end"):
            draw(runs)
    with pytest.raises(OtherRunsError, match="older version of jtdiag.*jtdiag probe RUN"):
        draw([local, ("old", credited.whole(errors(0.02)).drop_attrs())])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["neurips", "ieee", "slides"])
def test_it_can_be_printed(by_mu, name, credited):
    many = [(f"a credit with a long name, number {i}", by_mu[4][1]) for i in range(12)]
    with style.of(name) as venue:
        for runs in (by_mu, [by_mu[0], *many]):
            assert problems(draw(runs), venue.min_size) == []
