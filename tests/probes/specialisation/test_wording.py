import inspect
import math
import re

import pytest

from jtdiag.stats import Interval
from jtdiag_probes.specialisation import wording

NAN = math.nan

SENTENCES = [
    (
        wording.modes(
            1.0,
            [12],
            effective=Interval(1.021, 1.0, 1.042),
            leader_percent=Interval(99.8, 99.2, 100.0),
            members=4,
            patterns={"dominance": 5},
            single_mode=False,
            left_out=0,
        ),
        "λ = 1: after epoch 12, the effective number of members per mode of the ensemble's outputs "
        "is 1.02 (95 % interval 1.00 to 1.04), of 4, and one member has the largest share in modes "
        "with 100 % (95 % interval 99 to 100 %) of the weight: one member carries nearly all modes "
        "(dominance) in 5 of 5 trials.",
    ),
    (
        wording.modes(
            0.99,
            [40],
            effective=Interval(1.9, 1.4, 2.4),
            leader_percent=Interval(61, 50, 72),
            members=8,
            patterns={"": 1, "specialisation": 3},
            single_mode=False,
            left_out=1,
        ),
        "λ = 0.99: after epoch 40, the effective number of members per mode of the ensemble's "
        "outputs is 1.90 (95 % interval 1.40 to 2.40), of 8, and one member has the largest share "
        "in modes with 61 % (95 % interval 50 to 72 %) of the weight: different members carry "
        "different modes (specialization) in 3 of 4 trials and neither dominance, specialization "
        "nor independence in 1 of 4 trials. 1 trial is left out, in which the ensemble is not "
        "better than chance.",
    ),
    (
        wording.modes(
            0.0,
            [3],
            effective=Interval(1.95, NAN, NAN),
            leader_percent=Interval(100, NAN, NAN),
            members=2,
            patterns={"independence": 1},
            single_mode=True,
            left_out=2,
        ),
        "λ = 0: after epoch 3, the effective number of members per mode of the ensemble's outputs "
        "is 1.95, of 2, and the outputs have a single mode: all members take part in it "
        "(independence). 2 trials are left out, in which the ensemble is not better than chance.",
    ),
    (
        wording.nothing_learned(0.5, [0]),
        "λ = 0.5: after epoch 0, the ensemble's error is not significantly below chance level, so "
        "it cannot be said which members carry its outputs.",
    ),
]


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES)
def test_each_sentence_reads_as_written_here(sentence, expected):
    assert sentence == expected
    assert not re.search(r"\bnan\b|\binf\b|  | \.", sentence)


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
