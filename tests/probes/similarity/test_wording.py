import math

import pytest

from jtdiag.stats import Interval
from jtdiag_probes.similarity import wording

CONTEXT = wording.Context(lam=0.9, epochs=[12], examples=500)
START = "λ = 0.9: after epoch 12, "


def around(mean, reach=math.nan):
    return Interval(mean, mean - reach, mean + reach)


SENTENCES = [
    (
        wording.other_run(
            0.9, "local", 1.0, 500, {"layer1": around(0.9, 0.01), "head": around(0.5)}
        ),
        "λ = 0.9: at the last kept epochs, the similarity of a member to a member of the run local "
        "at λ = 1 (unbiased linear CKA, 500 test examples, mean over pairs) is 0.90 (95 % interval "
        "0.89 to 0.91) at layer1 and 0.50 at the head.",
    ),
    (
        wording.members(CONTEXT, {"layer1": around(0.9, 0.01), "head": around(0.5, 0.1)}, {}),
        f"{START}the similarity of two members (unbiased linear CKA, 500 test examples; 1 is the "
        "same up to rotation and scale) is 0.90 (95 % interval 0.89 to 0.91) at layer1 and 0.50 "
        "(95 % interval 0.40 to 0.60) at the head.",
    ),
    (
        wording.members(
            CONTEXT, {"layer1": around(0.9), "head": around(0.5)}, {"layer1": 0.8, "head": -0.011}
        ),
        f"{START}the similarity of two members (unbiased linear CKA, 500 test examples; 1 is the "
        "same up to rotation and scale) is 0.90 at layer1 and 0.50 at the head; between members "
        "of different trials it is 0.80 and −0.01.",
    ),
    (
        wording.against(
            CONTEXT,
            0,
            {
                "layer1": (around(0.2, 0.1), 0.1),
                "layer2": (around(0.1, 0.2), 0.2),
                "head": (around(-0.3, 0.1), 0.1),
            },
            5,
        ),
        f"{START}members are significantly more similar than at λ = 0 at layer1 (+0.20 (95 % "
        "interval +0.10 to +0.30)) and less similar than at λ = 0 at the head (−0.30 (95 % "
        "interval −0.40 to −0.20)) (5 paired trials; other layers: not significant).",
    ),
    (
        wording.against(CONTEXT, 0.5, {"head": (around(-0.3, 0.1), 0.1)}, 3),
        f"{START}members are significantly less similar than at λ = 0.5 at the head (−0.30 (95 % "
        "interval −0.40 to −0.20)) (3 paired trials).",
    ),
    (
        wording.against(
            CONTEXT, 0, {"layer1": (around(0.0, 0.1), 0.12), "head": (around(0.1, 0.3), 0.35)}, 4
        ),
        f"{START}members are not significantly more or less similar than at λ = 0 at any layer; a "
        "difference of 0.35 would have been detected with a probability of 80 % at every layer (4 "
        "paired trials).",
    ),
    (
        wording.against(CONTEXT, 0, {"head": (around(0.1), math.nan)}, 4),
        f"{START}members are not significantly more or less similar than at λ = 0 at any layer (4 "
        "paired trials).",
    ),
    (
        wording.against(
            CONTEXT, 0, {"layer1": (around(0.0), math.nan), "head": (around(0.1, 0.2), 0.3)}, 4
        ),
        f"{START}members are not significantly more or less similar than at λ = 0 at any layer; a "
        "difference of 0.30 would have been detected with a probability of 80 % at every other "
        "layer (4 paired trials). At layer1 they are equally similar in every trial.",
    ),
    (
        wording.against(
            CONTEXT, 0, {"layer1": (around(0.0), math.nan), "head": (around(0.3, 0.2), 0.3)}, 4
        ),
        f"{START}members are significantly more similar than at λ = 0 at the head (+0.30 (95 % "
        "interval +0.10 to +0.50)) (4 paired trials; other layers: not significant). At layer1 "
        "they are equally similar in every trial.",
    ),
    (
        wording.layers(CONTEXT, {("inputs", "layer1"): around(0.8, 0.1)}, None, 2),
        f"{START}the similarity of consecutive layers of a member (unbiased linear CKA, 500 test "
        "examples) is 0.80 (95 % interval 0.70 to 0.90) for the inputs and layer1. Too few trials "
        "to test whether layers are nearly the same.",
    ),
    (
        wording.layers(
            CONTEXT, {("a", "b"): around(0.8), ("b", "head"): around(0.97)}, [("b", "head")], 5
        ),
        f"{START}the similarity of consecutive layers of a member (unbiased linear CKA, 500 test "
        "examples) is 0.80 for a and b and 0.97 for b and the head. That for b and the head is "
        "significantly above 0.95 (5 trials): up to rotation and scale these layers represent "
        "nearly the same.",
    ),
    (
        wording.layers(
            CONTEXT,
            {("a", "b"): around(0.99), ("b", "c"): around(0.97)},
            [("a", "b"), ("b", "c")],
            5,
        ),
        f"{START}the similarity of consecutive layers of a member (unbiased linear CKA, 500 test "
        "examples) is 0.99 for a and b and 0.97 for b and c. Those for a and b and for b and c are "
        "significantly above 0.95 (5 trials): up to rotation and scale these layers represent "
        "nearly the same.",
    ),
    (
        wording.layers(CONTEXT, {("a", "b"): around(0.8)}, [], 5),
        f"{START}the similarity of consecutive layers of a member (unbiased linear CKA, 500 test "
        "examples) is 0.80 for a and b. None is significantly above 0.95 (5 trials).",
    ),
    (
        wording.epochs(CONTEXT, 1, {"layer1": around(0.7, 0.1), "head": around(0.25)}),
        f"{START}the similarity of a layer to the same layer after epoch 1 (unbiased linear CKA, "
        "500 test examples) is 0.70 (95 % interval 0.60 to 0.80) at layer1 and 0.25 at the head.",
    ),
    (
        wording.constant(CONTEXT, {"layer2": 3, "head": 1}, 20),
        f"{START}the features of layer2 of 3 of 20 members and the head of 1 of 20 members are the "
        "same for all 500 test examples (all trials); they have no similarity to others and are "
        "left out of its means.",
    ),
]


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES)
def test_each_sentence_is_as_written_here(sentence, expected):
    assert sentence == expected
