from jtdiag.alerts.wording import Told, findings, of_lane
from jtdiag.rules.contract import Verdict


def verdict(**facts):
    known = {
        "rule": "dominance",
        "level": "alert",
        "epoch": 3,
        "number": 0.1,
        "limit": 0.55,
        "observation": "one member carries the ensemble",
        "advice": "Act.",
        "members": (2,),
    }
    return Verdict(**(known | facts))


def test_one_lane_is_told_with_its_lambda():
    [found] = findings([Told(verdict=verdict(), lam=1.0)])
    assert found.sentence == "λ = 1: after epoch 3, one member carries the ensemble. Act."
    assert (found.probe, found.rule, found.level) == ("alerts", "dominance", "alert")
    assert (found.lam, found.trials, found.epoch, found.members) == (1.0, (0,), 3, (2,))


def test_without_lambda_the_sentence_begins_with_the_epoch():
    [found] = findings([Told(verdict=verdict())])
    assert found.sentence == "After epoch 3, one member carries the ensemble. Act."
    assert found.lam is None


def test_trials_of_one_lambda_share_a_finding_that_the_earliest_words():
    told = [
        Told(verdict=verdict(epoch=4, members=(1,)), lam=1.0, trial=0),
        Told(verdict=verdict(epoch=3), lam=1.0, trial=2),
    ]
    [found] = findings(told, trials=3)
    assert found.trials == (0, 2)
    assert (found.epoch, found.members) == (3, (2,))
    assert found.sentence.startswith("λ = 1, in 2 of 3 trials: after epoch 3 of trial 2, one ")


def test_lambdas_and_rules_stay_apart_in_order():
    told = [
        Told(verdict=verdict(rule="stagnation"), lam=0.5),
        Told(verdict=verdict(), lam=1.0),
        Told(verdict=verdict(), lam=0.9),
    ]
    assert [(f.rule, f.lam) for f in findings(told)] == [
        ("dominance", 0.9),
        ("dominance", 1.0),
        ("stagnation", 0.5),
    ]


def test_a_lane_by_itself_is_told_with_its_trial():
    one = Told(verdict=verdict(), lam=1.0, trial=2)
    assert of_lane(one, 3).sentence.startswith("λ = 1, trial 2: after epoch 3, one member ")
    assert of_lane(one, 3).trials == (2,)
    assert (
        of_lane(Told(verdict=verdict(), lam=1.0), 1)
        == findings([Told(verdict=verdict(), lam=1.0)])[0]
    )
    assert of_lane(Told(verdict=verdict()), 3).sentence.startswith("After epoch 3, ")
