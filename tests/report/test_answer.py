from types import SimpleNamespace

import xarray as xr

from jtdiag.probing.findings import Finding
from jtdiag.recipe.members import Members
from jtdiag.recipe.sections import Data
from jtdiag.report import wording
from jtdiag.report.answer import Part, answer, headline, sentences
from jtdiag.report.evidence import Evidence


def finding(probe, rule, lam=None, headline="", level="info"):
    sentence = f"{probe} {rule} {lam}."
    return Finding(
        probe=probe,
        rule=rule,
        level=level,
        lam=lam,
        number=0.0,
        sentence=sentence,
        headline=headline,
    )


BEST = finding("performance", "best-lambda", 0.9, "λ = 0.9 is best")


def evidence(*findings, missing=(), not_applicable=(), arch="mlp", classes=()):
    recipe = SimpleNamespace(
        members=Members(count=4, arch=arch), data=Data(name="digits", classes=classes)
    )
    robustness = xr.Dataset({"parameters_per_member": ((), 1000.0)})
    return Evidence(
        run=SimpleNamespace(recipe=recipe),
        results={"robustness": robustness},
        findings=list(findings),
        missing=tuple(missing),
        not_applicable=dict.fromkeys(not_applicable, "Why?"),
    )


def part(known, question):
    [match] = [part for part in answer(known) if part.question == question]
    return match


def test_a_question_is_answered_by_the_finding_at_the_best_lambda():
    tolerances = [finding("robustness", "tolerance", lam, f"at {lam}") for lam in (0.0, 0.9, 1.0)]
    chosen = part(evidence(*tolerances, BEST), wording.TOLERANCE)
    assert (chosen.sentence, chosen.headline) == ("robustness tolerance 0.9.", "at 0.9")


def test_without_a_finding_at_the_best_lambda_that_at_the_lowest_answers():
    tolerances = [finding("robustness", "tolerance", lam) for lam in (1.0, 0.5)]
    assert part(evidence(*tolerances, BEST), wording.TOLERANCE).sentence.endswith("0.5.")
    assert part(evidence(*tolerances), wording.TOLERANCE).sentence.endswith("0.5.")


def test_where_no_outputs_are_kept_that_finding_answers():
    kept = evidence(finding("robustness", "nothing-kept"), BEST)
    assert part(kept, wording.TOLERANCE).sentence == "robustness nothing-kept None."


def test_details_at_the_same_lambda_complete_an_answer():
    known = evidence(
        BEST,
        finding("alerts", "carried", level="alert"),
        finding("dominance", "effective-members", 0.0),
        finding("dominance", "effective-members", 0.9),
        finding("performance", "diversity", 0.9),
        finding("collusion", "pure-collusion", 1.0),
    )
    carried = part(known, wording.CARRIED)
    assert carried.sentence == "alerts carried None. dominance effective-members 0.9."
    assert carried.alert
    diversity = part(known, wording.DIVERSITY)
    assert diversity.sentence == "performance diversity 0.9."
    assert not diversity.alert


def test_the_budget_comes_with_a_command_where_one_can_plan_it():
    partial = finding("robustness", "partial", 0.9)
    assert part(evidence(partial, BEST), wording.BUDGET).command == (
        "jtdiag budget --params 4000 --arch mlp --data digits --members 1,4"
    )
    assert part(evidence(partial, BEST, arch="module"), wording.BUDGET).command == ""
    assert part(evidence(partial, BEST, classes=[0, 3]), wording.BUDGET).command == ""


def test_a_probe_that_is_missing_has_its_questions_without_answers():
    parts = answer(evidence(missing=["robustness", "calibration", "performance", "alerts"]))
    assert [part.probe for part in parts if not part.answered] == [
        "alerts",
        "performance",
        "performance",
        "robustness",
        "performance",
        "calibration",
        "robustness",
    ]
    assert headline(parts) == "No probe has been run on this run yet."


def test_a_probe_that_is_not_applicable_or_found_nothing_has_no_questions():
    known = evidence(
        finding("calibration", "calibration-error", 0.9), not_applicable=["calibration"]
    )
    assert answer(known) == []


def test_the_headline_is_one_sentence_of_the_headlines():
    parts = [
        Part(question="", probe="", findings=(finding("a", "b", headline="one member leads"),)),
        Part(question="", probe=""),
        Part(question="", probe="", findings=(finding("a", "b"),)),
        Part(question="", probe="", findings=(BEST,)),
    ]
    assert headline(parts) == "One member leads; λ = 0.9 is best."


def test_three_answers_are_a_sentence_each_and_continue_at_lambda_1():
    known = evidence(
        finding("alerts", "carried", headline="one member dominates"),
        BEST,
        finding("performance", "end-to-end", 1.0, "λ = 1 is worse than λ = 0"),
        finding("robustness", "tolerance", 0.9, "two may fail at λ = 0.9"),
        finding("robustness", "tolerance", 1.0, "none may fail at λ = 1"),
        finding("calibration", "calibration-error", 0.9, "a fourth answer"),
    )
    assert sentences(known) == [
        "One member dominates.",
        "λ = 1 is worse than λ = 0; λ = 0.9 is best.",
        "Two may fail at λ = 0.9; none may fail at λ = 1.",
    ]
    assert len(sentences(known, most=4)) == 4


def test_an_answer_at_lambda_1_is_not_repeated():
    best = finding("performance", "best-lambda", 1.0, "λ = 1 is best")
    tolerance = finding("robustness", "tolerance", 1.0, "one may fail at λ = 1")
    assert sentences(evidence(best, tolerance)) == ["λ = 1 is best.", "One may fail at λ = 1."]


def test_without_answers_there_are_no_sentences():
    assert sentences(evidence(missing=("alerts",))) == []
