import math

import pytest

from jtdiag.stats import Interval
from jtdiag_probes.layers import wording


def around(mean, reach=math.nan):
    return Interval(mean, mean - reach, mean + reach)


MANY = {f"layer{i}": around(10.0 - i) for i in range(1, 10)}
SENTENCES = [
    (
        wording.by_layer(
            0.9,
            [12],
            {"inputs": around(20.0, 1), "layer1": around(5.0, 0.5), "head": around(4.0, 0.5)},
        ),
        "λ = 0.9: after epoch 12, the test error of a linear classifier on frozen features is "
        "20.0 % (95 % interval 19.0 to 21.0 %) on the inputs and 5.0 % (95 % interval 4.5 to 5.5 "
        "%) on layer1; that of the members themselves is 4.0 % (95 % interval 3.5 to 4.5 %) "
        "(means over members).",
    ),
    (
        wording.by_layer(0, [2], {"inputs": around(20.0), **MANY, "head": around(4.0)}),
        "λ = 0: after epoch 2, the test error of a linear classifier on frozen features is 20.0 % "
        "on the inputs, 9.0 % on layer1, 8.0 % on layer2, 7.0 % on layer3, (2 layers not listed), "
        "4.0 % on layer6, 3.0 % on layer7, 2.0 % on layer8 and 1.0 % on layer9; that of the "
        "members themselves is 4.0 % (means over members).",
    ),
    (
        wording.changes(
            1, [12], {"layer2": (around(2.0, 1), 1.5), "layer3": (around(0.1, 1), 1)}, 5
        ),
        "λ = 1: after epoch 12, from one hidden layer to the next, the error of a linear "
        "classifier significantly rises at layer2 (+2.0 points (95 % interval +1.0 to +3.0 "
        "points)) (5 paired trials; other changes are not significant). Label information that a "
        "linear classifier can use is lost there.",
    ),
    (
        wording.changes(1, [12], {"layer2": (around(-2.0, 1), 1.5)}, 5),
        "λ = 1: after epoch 12, from one hidden layer to the next, the error of a linear "
        "classifier significantly falls at layer2 (−2.0 points (95 % interval −3.0 to −1.0 "
        "points)) (5 paired trials; other changes are not significant).",
    ),
    (
        wording.changes(
            1, [12], {"layer2": (around(-2.0, 1), 1.5), "layer3": (around(2.0, 1), 1.5)}, 5
        ),
        "λ = 1: after epoch 12, from one hidden layer to the next, the error of a linear "
        "classifier significantly rises at layer3 (+2.0 points (95 % interval +1.0 to +3.0 "
        "points)) and falls at layer2 (−2.0 points (95 % interval −3.0 to −1.0 points)) (5 paired "
        "trials; other changes are not significant). Where it rises, label information that a "
        "linear classifier can use is lost.",
    ),
    (
        wording.changes(
            1, [12], {"layer2": (around(0.1, 1), 1.5), "layer3": (around(0.1, 1), 1.8)}, 5
        ),
        "λ = 1: after epoch 12, from one hidden layer to the next, the error of a linear "
        "classifier does not change significantly; a difference of 1.8 points would have been "
        "detected with a probability of 80 % at every layer (5 paired trials).",
    ),
    (
        wording.changes(1, [12], {"layer2": (around(0.0), math.nan)}, 5),
        "λ = 1: after epoch 12, from one hidden layer to the next, the error of a linear "
        "classifier does not change significantly (5 paired trials).",
    ),
]


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES)
def test_each_sentence_is_as_written_here(sentence, expected):
    assert sentence == expected
