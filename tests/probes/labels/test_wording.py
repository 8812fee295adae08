import math

import pytest

from jtdiag.stats import Interval
from jtdiag_probes.labels import wording
from jtdiag_probes.labels.wording import Context


def around(mean, reach=math.nan):
    return Interval(mean, mean - reach, mean + reach)


HERE = Context(lam=0.9, layer="layer3", draws=10)
HEADS = "λ = 0.9: for new heads on layer3, "
FAR, NEAR, OPEN = (around(3.0, 1), 1.5, 5), (around(0.2, 0.5), 0.9, 5), (around(0.8, 0.5), 0.9, 5)
BELOW = (around(-3.0, 1), 1.5, 5)
SENTENCES = [
    (
        wording.by_labels(HERE, {"1": around(9.0, 1), "2": around(5.0), "all": around(2.0)}),
        f"{HEADS}fitted to the features of the chosen epoch, the test error is 9.0 % (95 % "
        "interval 8.0 to 10.0 %) with 1 label a class, 5.0 % with 2 labels a class and 2.0 % with "
        "all labels (means over members and 10 draws of labels).",
    ),
    (
        wording.enough(HERE, {"1": FAR, "5": NEAR, "20": NEAR}),
        f"{HEADS}compared with all labels, the test error changes by +3.0 points (95 % interval "
        "+2.0 to +4.0 points) with 1 label a class, +0.2 points (95 % interval −0.3 to +0.7 "
        "points) with 5 labels a class and +0.2 points (95 % interval −0.3 to +0.7 points) with "
        "20 labels a class (5 paired trials). 5 labels a class are enough to be within 1 point "
        "of all labels.",
    ),
    (
        wording.enough(HERE, {"1": NEAR}),
        f"{HEADS}compared with all labels, the test error changes by +0.2 points (95 % interval "
        "−0.3 to +0.7 points) with 1 label a class (5 paired trials). 1 label a class is enough "
        "to be within 1 point of all labels.",
    ),
    (
        wording.enough(HERE, {"1": FAR}),
        f"{HEADS}compared with all labels, the test error changes by +3.0 points (95 % interval "
        "+2.0 to +4.0 points) with 1 label a class (5 paired trials). None of these numbers is "
        "enough to be within 1 point of all labels.",
    ),
    (
        wording.enough(HERE, {"1": OPEN}),
        f"{HEADS}compared with all labels, the test error changes by +0.8 points (95 % interval "
        "+0.3 to +1.3 points) with 1 label a class (5 paired trials). Whether 1 label a class "
        "would be enough to be within 1 point of all labels is open.",
    ),
    (
        wording.enough(HERE, {"1": FAR, "5": OPEN, "20": OPEN}),
        f"{HEADS}compared with all labels, the test error changes by +3.0 points (95 % interval "
        "+2.0 to +4.0 points) with 1 label a class, +0.8 points (95 % interval +0.3 to +1.3 "
        "points) with 5 labels a class and +0.8 points (95 % interval +0.3 to +1.3 points) with "
        "20 labels a class (5 paired trials). Whether 5 labels a class and 20 labels a class "
        "would be enough to be within 1 point of all labels is open.",
    ),
    (
        wording.against_control(HERE, True, {"1": BELOW, "all": NEAR}),
        f"{HEADS}the test error is significantly lower with 1 label a class (−3.0 points (95 % "
        "interval −4.0 to −2.0 points)) than that with the same labels on the inputs (5 paired "
        "trials; other differences are not significant).",
    ),
    (
        wording.against_control(HERE, False, {"1": BELOW, "2": FAR}),
        f"{HEADS}the test error is significantly lower with 1 label a class (−3.0 points (95 % "
        "interval −4.0 to −2.0 points)) and higher with 2 labels a class (+3.0 points (95 % "
        "interval +2.0 to +4.0 points)) than that with the same labels on the same layer before "
        "training (5 paired trials).",
    ),
    (
        wording.against_lowest(HERE, 0, {"1": NEAR, "2": (around(0.1, 1), 2.0, 5)}),
        f"{HEADS}the test error is not significantly different from that with the same labels at "
        "λ = 0; a difference of 2.0 points would have been detected with a probability of 80 % "
        "for every number of labels (5 paired trials).",
    ),
    (
        wording.against_lowest(HERE, 0, {"1": (around(0.0), math.nan, 3)}),
        f"{HEADS}the test error is not significantly different from that with the same labels at "
        "λ = 0 (3 paired trials).",
    ),
    (
        wording.no_untrained(HERE),
        f"{HEADS}there is no control before training: the checkpoint of epoch 0 is not kept in "
        "three trials or more. Train with 0 in keep.checkpoints.",
    ),
    (
        wording.no_hidden_layer(HERE),
        "λ = 0.9: members have no hidden layer at which they can be cut, so new heads are fitted "
        "to the inputs only.",
    ),
    (
        wording.too_few_trials(HERE, 2, 3),
        f"{HEADS}2 trials are too few to test how many labels are enough; 3 are needed.",
    ),
    (
        wording.too_few_trials(HERE, 1, 3),
        f"{HEADS}1 trial is too few to test how many labels are enough; 3 are needed.",
    ),
]


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES)
def test_each_sentence_is_as_written_here(sentence, expected):
    assert sentence == expected
