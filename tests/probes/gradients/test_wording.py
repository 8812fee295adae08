import inspect

import pytest

from jtdiag.stats import Interval
from jtdiag_probes.gradients import wording

NAN = float("nan")

SENTENCES = [
    (
        wording.own_share(0.9, [4], Interval(0.0105, -0.001, 0.02)),
        "λ = 0.9: after epoch 4, 1.1 % (95 % interval 0.0 to 2.0 %) of the squared gradient with "
        "respect to the logits is specific to each member; the rest is the same for all members.",
    ),
    (
        wording.own_share(1.0, [50], Interval(0.0, NAN, NAN)),
        "λ = 1: after epoch 50, 0.0 % of the squared gradient with respect to the logits is "
        "specific to each member; the rest is the same for all members.",
    ),
    (
        wording.cosine(0.9, [4], median=0.358, low=-0.8, high=0.85, negative=1 / 3),
        "λ = 0.9: after epoch 4, the cosine similarity between the gradients of a member's own "
        "loss and of the ensemble's loss is 0.36 (median over members; range −0.80 to 0.85); it "
        "is negative for 33 % of the members.",
    ),
    (
        wording.cosine(0.0, [4], median=0.78, low=0.5, high=0.95, negative=0.0),
        "λ = 0: after epoch 4, the cosine similarity between the gradients of a member's own loss "
        "and of the ensemble's loss is 0.78 (median over members; range 0.50 to 0.95).",
    ),
    (
        wording.largest_share(0.9, [4], 0.561, 3),
        "λ = 0.9: after epoch 4, the largest share of one member in the squared gradient with "
        "respect to the weights is 56.1 % (equal shares: 33.3 %).",
    ),
    (
        wording.largest_share(0.9, [4], 1.0, 1),
        "λ = 0.9: after epoch 4, the largest share of one member in the squared gradient with "
        "respect to the weights is 100.0 % (equal shares: 100.0 %).",
    ),
]


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES)
def test_each_sentence_reads_as_written_here(sentence, expected):
    assert sentence == expected
    assert not any(part in sentence for part in ("nan", "inf", "  ", " ."))


def test_every_public_function_is_read_here():
    source = inspect.getsource(inspect.getmodule(test_each_sentence_reads_as_written_here))
    public = [
        name
        for name, value in vars(wording).items()
        if inspect.isfunction(value)
        and value.__module__ == wording.__name__
        and not name.startswith("_")
    ]
    assert [name for name in public if f"wording.{name}(" not in source] == []
