import math

from jtdiag.stats import Interval
from jtdiag_probes.dominance import wording


def flawless(sentence):
    return not any(flaw in sentence for flaw in ("nan", "inf", "  ", " ."))


def single(mean):
    """A mean that has no interval."""
    return Interval(mean, math.nan, math.nan)


def test_effective_members():
    sentences = [
        wording.effective_members(
            0.9,
            12,
            Interval(1.0463, 1.01, 1.0828),
            members=4,
            largest=Interval(1.93, 1.7, 2.16),
            second=Interval(-0.0123, -0.02, 0.001),
            trials=(5, 5),
        ),
        wording.effective_members(
            0, 3, single(2), members=2, largest=single(0.1), second=single(0.1), trials=(1, 3)
        ),
    ]
    assert sentences == [
        "λ = 0.9: by their shares of the ensemble's logits on test after epoch 12, the effective "
        "number of members is 1.05 (95 % interval 1.01 to 1.08) of 4. Without the member that "
        "matters most, the ensemble's loss changes by +1.930 nats (95 % interval +1.700 to +2.160 "
        "nats), without the next by −0.012 nats (95 % interval −0.020 to +0.001 nats).",
        "λ = 0: by their shares of the ensemble's logits on test after epoch 3, the effective "
        "number of members is 2 of 2 in the 1 of 3 trials with finite logits. Without the member "
        "that matters most, the ensemble's loss changes by +0.100 nats, without the next by "
        "+0.100 nats.",
    ]
    assert all(map(flawless, sentences))


def test_error_spread():
    sentences = [
        wording.error_spread(1, 0.4, gap=Interval(10.04, 2.1, 17.98), gini=0.1667),
        wording.error_spread(0, 0.98, gap=single(-3.0), gini=0),
    ]
    assert sentences == [
        "λ = 1: on test, the best member's error is 0.4 times the median member's; it differs from "
        "the ensemble's by +10.0 percentage points (95 % interval +2.1 to +18.0 percentage "
        "points). The Gini coefficient of the members' errors is 0.17.",
        "λ = 0: on test, the best member's error is 0.98 times the median member's; it differs "
        "from the ensemble's by −3.0 percentage points. The Gini coefficient of the members' "
        "errors is 0.",
    ]
    assert all(map(flawless, sentences))


def test_least_moved():
    sentences = [
        wording.least_moved(0.9, 12, Interval(46.03, 41.04, 51.02)),
        wording.least_moved(1, 3, single(0.0)),
    ]
    assert sentences == [
        "λ = 0.9: at epoch 12, the smallest distance of a member's parameters from initialization "
        "is 46.0 % (95 % interval 41.0 to 51.0 %) of the median member's.",
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
