from pathlib import Path

import pytest

from jtdiag.probing import wording


def test_the_value_of_a_user_defined_probe_is_one_sentence():
    sentences = [
        wording.value_sentence("lanes", 6, meaning="λs times trials"),
        wording.value_sentence(
            "gap", 0.12345, meaning="worst minus best", unit="nat", lam=0.9, epoch=4
        ),
        wording.value_sentence("gap", 3, meaning="worst minus best", lam=1, epoch=0, limit=2.5),
    ]
    assert sentences == [
        "lanes is 6 (λs times trials).",
        "λ = 0.9: gap is 0.123 nat after epoch 4 (worst minus best).",
        "λ = 1: gap is 3 after epoch 0, above the limit of 2.5 (worst minus best).",
    ]
    for sentence in sentences:
        assert not any(flaw in sentence for flaw in ("nan", "inf", "  ", " ."))


LANES = [
    (wording.lanes_where({1.0: [0, 1], 0.9: [1]}, 2), "λ = 0.9 (trial 1) and λ = 1"),
    (wording.lanes_where({0.5: [2, 0]}, 3), "λ = 0.5 (trials 0 and 2)"),
    (
        wording.diverged(1, 6, "λ = 1 (trial 0)"),
        "1 of 6 lanes diverged (losses that are not finite, or more than a million times too "
        "large) and is left out: λ = 1 (trial 0). Lower train.lr, or clip gradients with "
        "train.clip.",
    ),
    (
        wording.diverged(2, 6, "λ = 1"),
        "2 of 6 lanes diverged (losses that are not finite, or more than a million times too "
        "large) and are left out: λ = 1. Lower train.lr, or clip gradients with train.clip.",
    ),
    (
        wording.unlearned(1, 1, "λ = 0"),
        "In 1 of 1 lane, nothing was learned: the ensemble's training error is not below chance "
        "level by more than its noise (λ = 0). No conclusion is drawn where this holds for all "
        "trials of a λ.",
    ),
    (
        wording.identical(2, 4, "λ = 0"),
        "In 2 of 4 lanes, all members have the same weights (λ = 0): initialize each member from a "
        "seed of its own. No conclusion about members is drawn where this holds for all trials of "
        "a λ.",
    ),
    (wording.lanes_headline("identical", 2, 4), "the members are identical in 2 of 4 lanes"),
    (
        wording.unfinished(3, 5, "λ = 1 (trial 1)", "λ = 1 (trial 2)"),
        "3 of 5 lanes are complete (used up to their last epoch: λ = 1 (trial 1); without any "
        "epoch: λ = 1 (trial 2)).",
    ),
    (
        wording.unfinished(1, 2, "", "λ = 1"),
        "1 of 2 lanes is complete (without any epoch: λ = 1).",
    ),
    (wording.lanes_headline("diverged", 6, 6), "all 6 lanes diverged"),
    (wording.lanes_headline("diverged", 1, 1), "1 of 1 lane diverged"),
    (wording.lanes_headline("nothing-learned", 2, 6), "nothing was learned in 2 of 6 lanes"),
    (wording.lanes_headline("nothing-learned", 6, 6), "nothing was learned in any lane"),
    (wording.lanes_headline("unfinished", 1, 6), "1 of 6 lanes is incomplete"),
    (wording.lanes_headline("unfinished", 2, 6), "2 of 6 lanes are incomplete"),
    (
        wording.no_lane_left("votes", Path("runs/a"), 6),
        "Probe votes has nothing to measure in runs/a: all 6 lanes that have been trained "
        "diverged. Train again with a lower train.lr, or with train.clip.",
    ),
    (
        wording.no_lane_left("votes", Path("runs/a"), 1),
        "Probe votes has nothing to measure in runs/a: the only lane diverged. Train again with a "
        "lower train.lr, or with train.clip.",
    ),
]


@pytest.mark.parametrize(("sentence", "expected"), LANES)
def test_the_sentence_on_lanes_is(sentence, expected):
    assert sentence == expected
