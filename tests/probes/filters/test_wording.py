import inspect

import pytest

from jtdiag.stats import Interval
from jtdiag_probes.filters import wording

SENTENCES = [
    (
        wording.strong_filters(0.9, median=Interval(0.8, 0.5, 1.1), weakest=0.6, strongest=0.9),
        "λ = 0.9: 80 % (95 % interval 50 to 100 %) of the median member's first-layer filters are "
        "strong (norm at least half of the 95th percentile of all filters); the weakest member has "
        "60 %, the strongest 90 %.",
    ),
    (
        wording.stagnation(1.0, {0: [7, 9], 2: [1]}, 3, 0.2),
        "λ = 1: members stagnate in 2 of 3 trials: the distance of their first layer from "
        "initialization is less than 0.2 times that of the member that moved farthest (trial 0: "
        "members 7 and 9; trial 2: member 1). Their parameters may be wasted. Compare with a "
        "smaller λ or with fewer members.",
    ),
    (
        wording.stagnation(0.0, {0: [4]}, 1, 0.2),
        "λ = 0: members stagnate: the distance of their first layer from initialization is less "
        "than 0.2 times that of the member that moved farthest (trial 0: member 4). Their "
        "parameters may be wasted. λ is not the cause: try a smaller learning rate or more epochs.",
    ),
    (wording.listed([4]), "member 4"),
    (wording.listed([4, 5]), "members 4 and 5"),
    (wording.listed([4, 5, 7]), "members 4, 5 and 7"),
    (wording.listed(range(11)), "members 0, 1, 2, 3, 4, 5, 6, 7 and 3 more"),
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
