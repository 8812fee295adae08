import math

import pytest

from jtdiag.stats import Interval
from jtdiag_probes.credit import wording


def around(mean, reach=math.nan):
    return Interval(mean, mean - reach, mean + reach)


MANY = [f"layer{i}" for i in range(1, 11)]
SENTENCES = [
    (
        wording.identical(0.9),
        "λ = 0.9: every module is given the gradient of backpropagation through all modules: at "
        "all measured epochs the cosine of both gradients is 1, and their norms are equal.",
    ),
    (
        wording.by_module(
            0,
            {"layer1": 12, "head": 12},
            {"layer1": around(-0.001, 0.1), "head": around(1.0)},
            {"layer1": around(2.0, 0.5), "head": around(1.0)},
            1000,
        ),
        "λ = 0: after epoch 12, the cosine between the gradient that a module is given and the "
        "end-to-end gradient of L_λ is 0.00 (95 % interval −0.10 to 0.10) at layer1 and 1.00 at "
        "head; the norm of the former over that of the latter is 2.00 (95 % interval 1.50 to "
        "2.50) at layer1 and 1.00 at head (means over members; 1,000 training examples).",
    ),
    (
        wording.neighbours(0.5, 12, {"layer1": around(-0.1, 0.2), "layer2": around(0.5)}),
        "λ = 0.5: after epoch 12, the cosine between the gradients of a module's own loss and of "
        "the next module's loss is −0.10 (95 % interval −0.30 to 0.10) at layer1 and 0.50 at "
        "layer2 (means over members). Where it is below 0, a small step that reduces the one "
        "increases the other.",
    ),
    (
        wording.by_module(
            0,
            {"layer1": 4, "head": 12},
            {"layer1": around(0.2), "head": around(0.9)},
            {"layer1": around(2.0), "head": around(1.0)},
            80,
        ),
        "λ = 0: the cosine between the gradient that a module is given and the end-to-end "
        "gradient of L_λ is 0.20 at layer1 after epoch 4 and 0.90 at head after epoch 12; the "
        "norm of the former over that of the latter is 2.00 at layer1 after epoch 4 and 1.00 at "
        "head after epoch 12 (means over members; 80 training examples).",
    ),
    (
        wording.given_nothing(1, ["layer1"]),
        "λ = 1: layer1 is given no gradient by this credit.",
    ),
    (
        wording.given_nothing(1, MANY),
        "λ = 1: layer1, layer2, layer3, layer4, (2 modules not listed), layer7, layer8, layer9 "
        "and layer10 are given no gradient by this credit.",
    ),
    (
        wording.direction(0.5, ["layer1"], ["layer2"], ["layer3"], 5),
        "λ = 0.5: the mean cosine is significantly above 0 at layer1, significantly below 0 at "
        "layer2 and not significantly different from 0 at layer3 (5 trials). A small step of a "
        "module reduces L_λ where its cosine is above 0, and increases it where it is below.",
    ),
    (
        wording.untested(1, 1, 3),
        "λ = 1: 1 trial cannot show whether the cosines differ from 0; at least 3 are needed.",
    ),
    (
        wording.untested(1, 2, 3),
        "λ = 1: 2 trials cannot show whether the cosines differ from 0; at least 3 are needed.",
    ),
    (
        wording.changes(
            1,
            {"layer1": (0, 12), "layer2": (0, 12), "layer3": (0, 12)},
            {
                "layer1": (around(-0.2, 0.1), 0.2),
                "layer2": (around(0.3, 0.1), 0.2),
                "layer3": (around(0.0, 0.1), 0.2),
            },
            5,
        ),
        "λ = 1: from the first to the last measured epoch of a module, the cosine significantly "
        "rises at layer2 (+0.30 (95 % interval +0.20 to +0.40) from epoch 0 to 12) and falls at "
        "layer1 (−0.20 (95 % interval −0.30 to −0.10) from epoch 0 to 12) (5 paired trials; other "
        "changes are not significant).",
    ),
    (
        wording.changes(1, {"layer1": (0, 12)}, {"layer1": (around(-0.2, 0.1), 0.2)}, 5),
        "λ = 1: from the first to the last measured epoch of a module, the cosine significantly "
        "falls at layer1 (−0.20 (95 % interval −0.30 to −0.10) from epoch 0 to 12) (5 paired "
        "trials).",
    ),
    (
        wording.changes(1, {"layer1": (0, 12)}, {"layer1": (around(0.0, 0.1), 0.2)}, 5),
        "λ = 1: from the first to the last measured epoch of a module, the cosine does not change "
        "significantly; a difference of 0.20 would have been detected with a probability of 80 % "
        "at every module (5 paired trials).",
    ),
    (
        wording.changes(1, {"layer1": (0, 12)}, {"layer1": (around(0.0), math.nan)}, 5),
        "λ = 1: from the first to the last measured epoch of a module, the cosine does not change "
        "significantly (5 paired trials).",
    ),
    (
        wording.left(1, 12, {"layer1": around(7.0, 1), "head": around(120.0)}),
        "λ = 1: after epoch 12, the norm of the end-to-end gradient of L_λ, relative to that at "
        "epoch 0, is 7 % (95 % interval 6 to 8 %) at layer1 and 120 % at head (means over "
        "members).",
    ),
]


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES)
def test_each_sentence_is_as_written_here(sentence, expected):
    assert sentence == expected
