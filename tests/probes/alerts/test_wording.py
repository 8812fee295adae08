import re

import pytest

from jtdiag_probes.alerts import wording
from jtdiag_probes.alerts.wording import Fired

SENTENCES = [
    (
        wording.carried([Fired(1, 2, 3, 4)], [Fired(0.9, 1, 3, 3), Fired(1, 1, 3, 5)], [0, 0.5]),
        "At λ = 1, one member dominates the ensemble (at the last epoch, in 2 of 3 trials; first "
        "detected after epoch 4). At λ = 0.9 and 1, the members perform well only together, as one "
        "big model, and poorly on their own (at the last epoch, in 1 of 3 and 1 of 3 trials; first "
        "detected after epoch 3). At λ = 0 and 0.5, no member dominates the ensemble.",
    ),
    (
        wording.carried([Fired(1, 1, 1, 3)], [], []),
        "At λ = 1, one member dominates the ensemble (at the last epoch, in 1 of 1 trial; first "
        "detected after epoch 3).",
    ),
    (
        wording.carried([], [], [0, 0.5, 0.9]),
        "At λ = 0, 0.5 and 0.9, no member dominates the ensemble.",
    ),
    (
        wording.carried([], [], []),
        "Whether one member dominates the ensemble cannot be judged: too few epochs are trained, "
        "or the ensemble is not better than chance level.",
    ),
    (
        wording.carried_headline([Fired(1, 1, 1, 3)], [], [0]),
        "one member dominates the ensemble at λ = 1",
    ),
    (
        wording.carried_headline([Fired(1, 1, 2, 3)], [Fired(0.9, 2, 2, 3)], []),
        "one member dominates the ensemble at λ = 1 (in 1 of 2 trials), members perform well only "
        "together at λ = 0.9",
    ),
    (wording.carried_headline([], [], [0]), "no member dominates the ensemble"),
    (wording.carried_headline([], [], []), ""),
]


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES)
def test_each_sentence_is_as_written_here(sentence, expected):
    assert sentence == expected
    assert not re.search(r"\b(nan|inf)\b|  | \.", sentence)
