import math

from jtdiag_probes.dominance import wording


def flawless(sentence):
    return not any(flaw in sentence for flaw in ("nan", "inf", "  ", " ."))


def test_effective_members():
    sentences = [wording.effective_members(0.9, 3.7912, 4), wording.effective_members(0, 1, 1)]
    assert sentences == [
        "λ = 0.9: by their shares of the ensemble's logits, the effective number of members is "
        "3.79 of 4.",
        "λ = 0: by their shares of the ensemble's logits, the effective number of members is 1 of "
        "1.",
    ]
    assert all(map(flawless, sentences))


def test_error_spread():
    sentences = [
        wording.error_spread(1, 0.4, gap=10.04, gap_se=2.51, gini=0.1667),
        wording.error_spread(0, 0.98, gap=-3.0, gap_se=math.nan, gini=0),
    ]
    assert sentences == [
        "λ = 1: on test, the best member's error is 0.4 times the median member's and 10.0 ± 2.5 "
        "percentage points above the ensemble's; the Gini coefficient of the members' errors is "
        "0.17.",
        "λ = 0: on test, the best member's error is 0.98 times the median member's and 3.0 "
        "percentage points below the ensemble's; the Gini coefficient of the members' errors is 0.",
    ]
    assert all(map(flawless, sentences))


def test_least_moved():
    sentences = [
        wording.least_moved(0.9, 12, 46.03, 1.16),
        wording.least_moved(1, 3, 0.0, math.nan),
    ]
    assert sentences == [
        "λ = 0.9: at epoch 12, the smallest distance of a member's parameters from initialization "
        "is 46.0 ± 1.2 % of the median member's.",
        "λ = 1: at epoch 3, the smallest distance of a member's parameters from initialization is "
        "0.0 % of the median member's.",
    ]
    assert all(map(flawless, sentences))


def test_early_leader():
    sentences = [
        wording.early_leader(1, 3, held=3, trials=4, members=4, since=2.5),
        wording.early_leader(0, 3, held=1, trials=1, members=2, since=0),
    ]
    assert sentences == [
        "λ = 1: the member with the lowest training error after epoch 3 also has the lowest at the "
        "end in 3 of 4 trials (chance level: 1 in 4; exact 95 % confidence interval: 19 to 99 %). "
        "The final leader leads from epoch 2.5 on (median over trials).",
        "λ = 0: the member with the lowest training error after epoch 3 also has the lowest at the "
        "end in 1 of 1 trial (chance level: 1 in 2; exact 95 % confidence interval: 3 to 100 %). "
        "The final leader leads from epoch 0 on.",
    ]
    assert all(map(flawless, sentences))
