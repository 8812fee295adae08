import re

import pytest

from jtdiag_probes.alerts import wording
from jtdiag_probes.alerts.wording import Fired, Summary, Uneven, Unlearned

LED = Fired(1, 2, 3, 4)
CLEAR = Fired(1, 1, 1, 3, leaders=1, effective=1.046, members=4)
TWO = Fired(1, 1, 1, 3, leaders=2, effective=2.1, members=4)
TOGETHER = [Fired(0.9, 1, 3, 3), Fired(1, 1, 3, 5)]

SENTENCES = [
    (
        wording.carried(Summary(dominance=[LED], codependence=TOGETHER, neither=[0, 0.5])),
        "At λ = 1, one member dominates the ensemble (at the last epoch, in 2 of 3 trials; first "
        "detected after epoch 4). At λ = 0.9 and 1, no member performs well on its own, "
        "although the ensemble does (at the last epoch, in 1 of 3 and 1 of 3 trials; first "
        "detected after epoch 3). At λ = 0 and 0.5, no member dominates the ensemble.",
    ),
    (
        wording.carried(Summary(dominance=[CLEAR], members=4)),
        "At λ = 1, one member dominates the ensemble (at the last epoch, in 1 of 1 trial; first "
        "detected after epoch 3; effective number of members: 1.05 of 4).",
    ),
    (
        wording.carried(Summary(dominance=[TWO], members=4)),
        "At λ = 1, up to 2 of 4 members dominate the ensemble (at the last epoch, in 1 of 1 trial; "
        "first detected after epoch 3; effective number of members: 2.1 of 4).",
    ),
    (
        wording.carried(Summary(neither=[0, 0.5, 0.9])),
        "At λ = 0, 0.5 and 0.9, no member dominates the ensemble.",
    ),
    (
        wording.carried(Summary(uneven=[Uneven(0.9, 1.052)], members=4)),
        "At λ = 0.9, one member has most of the ensemble's logits (effective number of members: "
        "1.05 of 4), although other members perform well on their own.",
    ),
    (
        wording.carried(Summary(diverged=[0.5, 1.0])),
        "At λ = 0.5 and 1, training diverged, so it cannot be judged whether one member dominates.",
    ),
    (
        wording.carried(Summary(unlearned=[Unlearned(0, 3, 3, 1.004), Unlearned(1, 2, 2, 0.8)])),
        "At λ = 0, nothing has been learned yet: the ensemble's training error is 100 % of chance "
        "level. At λ = 1, too little has been learned yet: the ensemble's training error is 80 % "
        "of chance level.",
    ),
    (
        wording.carried(Summary(unlearned=[Unlearned(lam, 3, 3, 1.02) for lam in (0, 0.9, 1)])),
        "At λ = 0, 0.9 and 1, nothing has been learned yet: the ensemble's training error is 102, "
        "102 and 102 % of chance level.",
    ),
    (
        wording.carried(Summary(unlearned=[Unlearned(0, 1, 3, 1.11), Unlearned(1, 2, 3, 0.8)])),
        "At λ = 0, 1 of 3 trials cannot be judged, since nothing was learned: the ensemble's "
        "training error is 111 % of chance level. At λ = 1, 2 of 3 trials cannot be judged, since "
        "too little was learned: the ensemble's training error is 80 % of chance level.",
    ),
    (
        wording.carried(Summary()),
        "Whether one member dominates the ensemble cannot be judged: too few epochs are trained.",
    ),
    (
        wording.carried_headline(Summary(dominance=[CLEAR], neither=[0])),
        "one member dominates the ensemble at λ = 1",
    ),
    (
        wording.carried_headline(Summary(dominance=[TWO], neither=[0], members=4)),
        "up to 2 of 4 members dominate the ensemble at λ = 1",
    ),
    (
        wording.carried_headline(Summary(dominance=[LED], codependence=[Fired(0.9, 2, 2, 3)])),
        "one member dominates the ensemble at λ = 1 (in 2 of 3 trials), no member performs well on "
        "its own at λ = 0.9",
    ),
    (
        wording.carried_headline(Summary(uneven=[Uneven(0.9, 1.05)], neither=[0])),
        "one member has most of the ensemble's logits at λ = 0.9",
    ),
    (wording.carried_headline(Summary(neither=[0])), "no member dominates the ensemble"),
    (
        wording.carried_headline(Summary(unlearned=[Unlearned(1, 3, 3, 0.98)])),
        "nothing has been learned yet",
    ),
    (
        wording.carried_headline(Summary(unlearned=[Unlearned(1, 3, 3, 0.8)])),
        "too little has been learned yet",
    ),
    (wording.carried_headline(Summary()), ""),
]


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES)
def test_each_sentence_is_as_written_here(sentence, expected):
    assert sentence == expected
    assert not re.search(r"\b(nan|inf)\b|  | \.", sentence)
