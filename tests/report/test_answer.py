from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from jtdiag import names
from jtdiag.probing.findings import Finding
from jtdiag.recipe.members import Members
from jtdiag.report.answer import Part, against, answer, headline, listed
from jtdiag.report.evidence import Evidence
from jtdiag.report.tolerance import may_fail

LAMS = [0.0, 0.9, 1.0]


def performance(errors):
    """A result (lam, trial) on test, with what the answer reads."""
    error = np.asarray(errors, float)
    coordinates = {"lam": LAMS[: len(error)], "split": ["test"]}
    by_lane = xr.DataArray(
        error[..., None], dims=("lam", "trial", "split"), coords=coordinates | {}
    )
    found = xr.Dataset({names.ENSEMBLE_ERROR: by_lane})
    for name, shift in {"ensemble_error": 0, "median_member_error": 0.05}.items():
        found[f"{name}_mean"] = by_lane.mean("trial") + shift
        found[f"{name}_se"] = by_lane.std("trial", ddof=1) / error.shape[1] ** 0.5
    for name, value in {"ensemble_loss": 0.3, "diversity": 0.2}.items():
        found[f"{name}_mean"] = by_lane.mean("trial") * 0 + value
        found[f"{name}_se"] = by_lane.mean("trial") * np.nan
    found["lr"] = ("lam", np.full(len(error), 0.1))
    return found.assign_coords(trial=np.arange(error.shape[1]))


def robustness(tolerated, curve=(0.9, 0.89, 0.85, 0.6), worst=(0.9, 0.88, 0.5, 0.3)):
    """A result of 4 members at every λ, one trial."""
    count = len(tolerated)
    return xr.Dataset(
        {
            "tolerated_fraction_mean": (("lam", "subsets"), np.array(tolerated)[:, None]),
            "tolerated_fraction_se": (("lam", "subsets"), np.full((count, 1), np.nan)),
            "accuracy_mean": (("lam", "subsets", "dropped"), np.tile(curve, (count, 1, 1))),
            "accuracy_worst_mean": (("lam", "dropped"), np.tile(worst, (count, 1))),
            "parameters_per_member": ((), 1000.0),
        },
        coords={"lam": LAMS[:count], "subsets": ["shared"], "dropped": np.arange(4)},
    )


def alerts(**speaking):
    """A result of two epochs after epoch 0; each rule speaks at these λs, from epoch 1 on."""
    spoke = np.zeros((2, 3, 2, 3))
    rules = ["dominance", "codependence"]
    for rule, lams in speaking.items():
        for lam in lams:
            spoke[rules.index(rule), LAMS.index(lam), :, 1:] = 1
    first = np.where(spoke.any(-1), 1, -1)
    dims = ("rule", "lam", "trial")
    return xr.Dataset(
        {"spoke": ((*dims, "epoch"), spoke), "first_spoke": (dims, first)},
        coords={"rule": rules, "lam": LAMS},
    )


def evidence(members=4, missing=(), findings=(), **results):
    recipe = SimpleNamespace(
        lam=tuple(LAMS),
        members=Members(count=members, arch="mlp"),
        data=SimpleNamespace(name="digits"),
    )
    run = SimpleNamespace(recipe=recipe)
    return Evidence(run=run, results=results, findings=list(findings), missing=tuple(missing))


def said(known, question):
    [part] = [part for part in answer(known) if question in part.question]
    return part


def test_one_member_that_carries_is_named_with_its_lambda_and_since_when():
    part = said(evidence(alerts=alerts(dominance=[1.0])), "carry")
    assert part.short == "one member carries the ensemble at λ = 1"
    assert "in 2 of 2 trials; first told after epoch 1" in part.sentence
    assert "At λ = 0 and 0.9 no member carries the others." in part.sentence
    assert part.alert


def test_members_that_work_only_together_are_one_big_model():
    part = said(evidence(alerts=alerts(codependence=[0.9, 1.0])), "carry")
    assert part.short == "members work only together at λ = 0.9 and 1"
    assert "one big model" in part.sentence


def test_where_no_rule_speaks_no_member_carries():
    part = said(evidence(alerts=alerts()), "carry")
    assert part.short == "no member carries the ensemble alone"
    assert not part.alert


def test_a_rule_that_has_fallen_silent_is_not_told():
    result = alerts(dominance=[1.0])
    result["spoke"][:, :, :, -1] = 0
    assert not said(evidence(alerts=result), "carry").alert
    result["spoke"][:, :, :, -1] = np.nan  # not sealed: the epoch before is the last
    assert said(evidence(alerts=result), "carry").alert


CLEAR = [[0.20, 0.21, 0.22], [0.10, 0.112, 0.12], [0.30, 0.31, 0.32]]
DOUBTFUL = [[0.20, 0.21, 0.22], [0.10, 0.14, 0.12], [0.13, 0.10, 0.14]]


def test_a_lambda_that_is_clearly_better_is_best():
    part = said(evidence(performance=performance(CLEAR)), "Which")
    assert part.short == "λ = 0.9 is best here"
    assert "Clearly worse, paired over 3 trials: λ = 0 (by +" in part.sentence
    assert "doubt" not in part.sentence


def test_where_the_best_is_one_big_model_that_is_said():
    known = {lam: alerts(codependence=[lam]) for lam in (0.9, 1.0)}
    told = [
        said(evidence(performance=performance(CLEAR), alerts=one), "Which").sentence
        for one in known.values()
    ]
    assert ["what is best here is one big model" in sentence for sentence in told] == [True, False]


def test_a_lambda_within_the_doubt_is_said_to_be():
    part = said(evidence(performance=performance(DOUBTFUL)), "Which")
    assert part.short.endswith("with λ = 1 within the doubt")
    assert "Within the doubt of 3 paired trials: λ = 1 (by +0.33 points, 95 %: −" in part.sentence


def test_lambdas_are_compared_as_scipy_compares_pairs():
    found = against(performance(DOUBTFUL), 0.9)[1.0]
    theirs = stats.ttest_rel(DOUBTFUL[2], DOUBTFUL[1]).confidence_interval(0.95)
    assert found[1:] == pytest.approx((theirs.low, theirs.high), rel=1e-9)


def test_a_difference_that_is_the_same_in_all_trials_is_no_certainty():
    errors = [[0.20, 0.21, 0.22], [0.10, 0.11, 0.12], [0.12, 0.13, 0.14]]
    part = said(evidence(performance=performance(errors)), "Which")
    assert "is best" not in part.short


def test_a_single_trial_leaves_the_doubt_open():
    part = said(evidence(performance=performance([[0.2], [0.1], [0.3]])), "Which")
    assert part.short == "λ = 0.9 has the lowest test error, 10.0 %, in a single trial"
    assert "nobody can tell" in part.sentence


def test_errors_of_other_families_are_told_with_their_measure():
    result = performance(CLEAR).assign_attrs(error_measure="fraction of deviance unexplained")
    assert "Errors are the fraction of deviance unexplained." in (
        said(evidence(performance=result), "Which").sentence
    )


def test_other_learning_rates_are_told():
    result = performance(CLEAR)
    result["lr"][0] = 0.2
    assert "Learning rates differ" in said(evidence(performance=result), "Which").sentence


@pytest.mark.parametrize(
    ("number", "short"),
    [
        (0.579, "up to 57 % of members may fail before accuracy drops by a point"),
        (0.75, "all members but one may fail before accuracy drops by a point"),
        (0.2, "one missing member of 4 costs 1.0 points of accuracy"),
    ],
)
def test_how_many_may_fail(number, short):
    at = robustness([number]).sel(lam=0.0, subsets="shared")
    assert may_fail(at, 4)[0] == short


def test_the_lambda_that_is_best_bears_what_it_bears_and_the_others_beside_it():
    result = robustness([0.75, 0.6, 0.1])
    part = said(evidence(performance=performance(CLEAR), robustness=result), "fail")
    assert part.sentence == (
        "At λ = 0.9 up to 60.0 % of 4 members (2 whole ones) may fail before accuracy drops by a "
        "point, if they fail at random. In the worst case found, 1 missing is enough. At the other "
        "λs: all but one at λ = 0, not a single one at λ = 1."
    )


def test_nothing_kept_is_told_as_such():
    part = said(evidence(robustness=robustness([np.nan] * 3)), "fail")
    assert part.sentence.startswith("Not measured: the run has kept no outputs on test")
    assert not part.short


def test_the_budget_follows_from_how_many_members_are_enough():
    def finding(number):
        return Finding(
            probe="robustness",
            rule="partial",
            level="info",
            lam=0.0,
            number=number,
            sentence="λ = 0: so many members come within a point.",
        )

    few, many = (
        said(evidence(findings=[finding(share)], robustness=robustness([0.5] * 3)), "spent")
        for share in (0.25, 0.75)
    )
    assert "fewer or wider members" in few.sentence
    assert "Most members are needed" in many.sentence
    assert few.command == "jtdiag budget --params 4000 --arch mlp --data digits --members 1,4"


def test_what_has_not_been_asked_has_its_place_and_no_sentence():
    parts = answer(evidence(missing=["robustness", "calibration", "performance", "alerts"]))
    assert [part.probe for part in parts if not part.known] == [
        "alerts",
        "performance",
        "robustness",
        "performance",
        "calibration",
        "robustness",
    ]
    assert headline(parts) == "Nothing has been asked of this run yet."


def test_a_single_member_is_not_asked_who_carries_it():
    known = evidence(members=1, alerts=alerts(), performance=performance(CLEAR))
    assert [part.question for part in answer(known)] == ["Which λ is best here?"]


def test_the_headline_is_one_sentence_of_the_short_answers():
    parts = [
        Part(question="", probe="", sentence="x", short="one member carries it"),
        Part(question="", probe=""),
        Part(question="", probe="", sentence="y", short="λ = 0.9 is best here"),
    ]
    assert headline(parts) == "One member carries it; λ = 0.9 is best here."


def test_a_list_reads_as_in_a_sentence():
    assert [listed(list(letters)) for letters in ("a", "ab", "abc")] == [
        "a",
        "a and b",
        "a, b and c",
    ]
