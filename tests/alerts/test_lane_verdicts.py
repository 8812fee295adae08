from jtdiag.alerts.lane_verdicts import LaneVerdict, findings, of_lane
from jtdiag.rules.contract import Verdict


def verdict(**facts):
    known = {
        "rule": "dominance",
        "level": "alert",
        "epoch": 3,
        "number": 0.1,
        "limit": 0.55,
        "observation": "one member dominates the ensemble",
        "advice": "Act.",
        "members": (2,),
    }
    return Verdict(**(known | facts))


def test_one_lane_is_told_with_its_lambda():
    [finding] = findings([LaneVerdict(verdict=verdict(), lam=1.0)])
    assert finding.sentence == "λ = 1: after epoch 3, one member dominates the ensemble. Act."
    assert (finding.probe, finding.rule, finding.level) == ("alerts", "dominance", "alert")
    assert (finding.lam, finding.trials, finding.epoch, finding.members) == (1.0, (0,), 3, (2,))


def test_without_lambda_the_sentence_begins_with_the_epoch():
    [finding] = findings([LaneVerdict(verdict=verdict())])
    assert finding.sentence == "After epoch 3, one member dominates the ensemble. Act."
    assert finding.lam is None


def test_trials_of_one_lambda_share_a_finding_that_the_earliest_words():
    verdicts = [
        LaneVerdict(verdict=verdict(epoch=4, members=(1,)), lam=1.0, trial=0),
        LaneVerdict(verdict=verdict(epoch=3), lam=1.0, trial=2),
    ]
    [finding] = findings(verdicts, trials=3)
    assert finding.trials == (0, 2)
    assert (finding.epoch, finding.members) == (3, (2,))
    assert finding.sentence.startswith("λ = 1, in 2 of 3 trials: after epoch 3 of trial 2, one ")


def test_lambdas_and_rules_stay_apart_in_order():
    verdicts = [
        LaneVerdict(verdict=verdict(rule="stagnation"), lam=0.5),
        LaneVerdict(verdict=verdict(), lam=1.0),
        LaneVerdict(verdict=verdict(), lam=0.9),
    ]
    assert [(f.rule, f.lam) for f in findings(verdicts)] == [
        ("dominance", 0.9),
        ("dominance", 1.0),
        ("stagnation", 0.5),
    ]


def test_a_lane_by_itself_is_told_with_its_trial():
    item = LaneVerdict(verdict=verdict(), lam=1.0, trial=2)
    assert of_lane(item, 3).sentence.startswith("λ = 1, trial 2: after epoch 3, one member ")
    assert of_lane(item, 3).trials == (2,)
    assert (
        of_lane(LaneVerdict(verdict=verdict(), lam=1.0), 1)
        == findings([LaneVerdict(verdict=verdict(), lam=1.0)])[0]
    )
    assert of_lane(LaneVerdict(verdict=verdict()), 3).sentence.startswith("After epoch 3, ")
