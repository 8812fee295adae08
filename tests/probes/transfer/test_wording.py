import math

import pytest

from jtdiag.stats import Interval
from jtdiag_probes.transfer import wording
from jtdiag_probes.transfer.wording import Context


def around(mean, reach=math.nan):
    return Interval(mean, mean - reach, mean + reach)


HERE = Context(sources=24, tasks=45, trials=5)
FEW = Context(sources=1, tasks=1, trials=1)
STATIC = "the static ranking (the mean error over the other tasks)"
SENTENCES = [
    (
        wording.ranking(HERE, {"LogME": around(0.5, 0.1), "static": around(-0.2, 0.1)}),
        "Over 24 sources (hidden layers of members at epochs after training has begun), Kendall's "
        "τ between a score and a small test error of a new head is 0.50 (95 % interval 0.40 to "
        f"0.60) for LogME and −0.20 (95 % interval −0.30 to −0.10) for {STATIC} (means over 45 "
        "target tasks and 5 trials; bootstrap intervals are over tasks).",
    ),
    (
        wording.ranking(Context(sources=24, tasks=1, trials=1), {"few labels": around(0.5)}),
        "Over 24 sources (hidden layers of members at epochs after training has begun), Kendall's "
        "τ between a score and a small test error of a new head is 0.50 for heads with few labels "
        "(means over 1 target task and 1 trial).",
    ),
    (
        wording.regret(HERE, {"AL": around(0.75, 0.25)}, 1.5),
        "A new head on the source with the largest score has a larger test error than one on the "
        "best source: 0.75 points (95 % interval 0.50 to 1.00 points) by AL; by chance, 1.50 "
        "points (means over 45 target tasks and 5 trials; bootstrap intervals are over tasks).",
    ),
    (
        wording.above_0(
            HERE,
            {"AL": (around(0.5, 0.1), 0.2), "NCE": (around(-0.5, 0.1), 0.2),
             "LEEP": (around(0.0, 0.1), 0.2)},
        ),
        "For these tasks, the mean τ is significantly above 0 for AL, significantly below 0 for "
        "NCE and not significantly different from 0 for LEEP (5 trials). Above 0, a score ranks "
        "sources better than chance.",
    ),
    (
        wording.against_static(
            HERE,
            {"AL": (around(0.5, 0.1), 0.2), "NCE": (around(-0.5, 0.1), 0.2),
             "LEEP": (around(0.0, 0.1), 0.2)},
        ),
        "For these tasks, compared with the static ranking, the mean τ is significantly higher "
        "for AL (+0.50 (95 % interval +0.40 to +0.60)) and significantly lower for NCE (−0.50 (95 "
        "% interval −0.60 to −0.40)) (5 paired trials; other differences are not significant).",
    ),
    (
        wording.against_static(HERE, {"AL": (around(0.1, 0.2), 0.3)}),
        "For these tasks, compared with the static ranking, the mean τ is not significantly "
        "different for any score; a difference of 0.30 would have been detected with a "
        "probability of 80 % for every score (5 paired trials).",
    ),
    (
        wording.against_static(HERE, {"AL": (around(0.1, 3), 4.4)}),
        "For these tasks, compared with the static ranking, the mean τ is not significantly "
        "different for any score (5 paired trials).",
    ),
    (
        wording.too_few_sources(FEW, 3),
        "1 source after training is too few to rank by a score; 3 are needed. Figure transfer "
        "ranks the sources of several runs together.",
    ),
    (
        wording.nothing_differs(HERE),
        "The 24 sources cannot be ranked: new heads on all of them have the same test error in "
        "every target task.",
    ),
    (
        wording.too_few_trials(FEW, 3),
        "1 trial is too few to test how well scores rank sources; 3 are needed.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES)
def test_each_sentence_is_as_written_here(sentence, expected):
    assert sentence == expected
