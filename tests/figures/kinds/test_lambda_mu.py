import numpy as np
import pytest

from jtdiag.figures import style
from jtdiag.figures.contract import OtherRunsError
from jtdiag.figures.kinds.lambda_mu import COLUMNS, draw
from jtdiag.figures.print_check import problems


def errors(mean, trials=4, lams=2):
    return mean + np.random.default_rng(0).normal(0, 0.003, (lams, trials))


@pytest.fixture
def runs(credited):
    return [
        ("proxy, al", credited.of(errors(0.08), rule="proxy, al")),
        ("local, pred", credited.of(errors(0.05), mu=0.0)),
        ("end-to-end", credited.whole(errors(0.02))),
        ("local, pred, μ = 0.5", credited.of(errors(0.04), mu=0.5)),
    ]


def rows(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def cells(ax):
    return {text.get_position(): text.get_text() for text in ax.texts}


def test_rows_are_in_the_order_of_mu_and_cells_have_standard_errors(runs):
    ensemble, member = draw(runs).axes
    order = ["end-to-end", "local, pred, μ = 0.5", "local, pred", "proxy, al"]
    assert rows(ensemble) == order
    assert (ensemble.get_title(), member.get_title()) == ("Ensemble", "Median member")
    for row, name in enumerate(order):
        result = dict(runs)[name]["ensemble_error"].sel(split="test")
        for column in (0, 1):
            percent = 100 * result.isel(lam=column).values
            se = percent.std(ddof=1) / 2
            assert cells(ensemble)[column, row] == f"{percent.mean():.1f}\n± {se:.1f}"
            assert cells(member)[column, row] == f"{percent.mean() + 10:.1f}\n± {se:.1f}"


def test_a_run_of_one_member_has_one_panel(credited):
    two = [
        ("a", credited.whole(errors(0.02), members=1)),
        ("b", credited.of(errors(0.05), members=1)),
    ]
    assert len(draw(two).axes) == 1


def test_one_trial_has_no_standard_error_and_a_missing_lambda_an_empty_cell(credited):
    one = [
        ("a", credited.whole(errors(0.02, 1, 3), lams=(0.0, 0.5, 1.0))),
        ("b", credited.of(errors(0.05, 1), lams=(0.0, 1.0))),
    ]
    ax = draw(one).axes[0]
    assert (1, 1) not in cells(ax)
    assert len(cells(ax)) == 5
    assert not any("±" in text or "nan" in text for text in cells(ax).values())


def test_of_many_lambdas_some_are_drawn(credited):
    lams = tuple(np.linspace(0, 1, 30).round(3))
    several = [
        ("a", credited.whole(errors(0.02, 2, 30), lams=lams)),
        ("b", credited.of(errors(0.05, 2, 30), lams=lams)),
    ]
    ax = draw(several).axes[0]
    columns = [label.get_text() for label in ax.get_xticklabels()]
    assert len(columns) == COLUMNS
    assert (columns[0], columns[-1]) == ("0", "1")


def test_runs_without_a_map_are_one_line(credited):
    whole, local = credited.whole(errors(0.02)), credited.of(errors(0.05))
    with pytest.raises(OtherRunsError, match=r"runs that differ in \[modules\]"):
        draw([("a", whole), ("b", whole)])
    with pytest.raises(OtherRunsError, match=r"runs that differ in \[modules\]"):
        draw([("a", whole)])
    with pytest.raises(OtherRunsError, match="two λs or more"):
        draw([("a", whole.sel(lam=[0.0])), ("b", local.sel(lam=[0.0]))])
    with pytest.raises(OtherRunsError, match="older version"):
        draw([("a", whole), ("b", local.drop_attrs())])
    with pytest.raises(OtherRunsError, match="not completed its first epoch"):
        draw([(name, each.where(False)) for name, each in (("a", whole), ("b", local))])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lncs", "neurips", "ieee", "icml", "slides"])
def test_it_can_be_printed(runs, name, credited):
    lams = tuple(np.linspace(0, 1, 12).round(2))
    wide = [
        ("a way of training layers with quite a long name that is wrapped",
         credited.of(errors(0.3, 3, 12), lams=lams)),
        ("b", credited.whole(errors(0.02, 3, 12), lams=lams)),
    ]  # fmt: skip
    with style.of(name) as venue:
        for several in (runs, wide):
            assert problems(draw(several), venue.min_size) == []
