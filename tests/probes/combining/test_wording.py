import math
import re

import pytest

from jtdiag.stats import Interval
from jtdiag_probes.combining import wording
from jtdiag_probes.combining.comparison import Comparison

NAN = math.nan

ONE = Interval(0.5, NAN, NAN)
NOT_TESTED = Comparison(interval=Interval(0.01, NAN, NAN), trials=1)


def around(mean, reach):
    return Interval(mean, mean - reach, mean + reach)


def vote(compared, **changes):
    values = {
        "majority": around(0.039, 0.004),
        "ensemble": around(0.002, 0.003),
        "member": around(0.058, 0.004),
        "disagreement": around(0.08, 0.004),
        "disagreement_ratio": 1.004,
        "improvement_rate": 0.35,
        "trials": compared.trials,
    }
    return wording.vote(0.9, compared=compared, **(values | changes))


SENTENCES = [
    (
        wording.combiners(
            1.0, [4, 7, 9], {"averaged logits": ONE}, {}, own="averaged logits", used=3, trials=3
        ),
        "λ = 1: after the last kept epoch of each trial (4 to 9), the test error of the same "
        "members is 50.0 % with averaged logits.",
    ),
    (
        wording.combiners(
            0.9,
            [12],
            {
                "averaged logits": around(0.029, 0.003),
                "averaged probabilities": around(0.03, 0.001),
                "a majority vote": around(0.039, 0.004),
            },
            {
                "averaged probabilities": Comparison(
                    interval=around(0.001, 0.002), trials=3, detectable=0.0031
                ),
                "a majority vote": Comparison(interval=around(0.01, 0.002), trials=3),
            },
            own="averaged logits",
            used=3,
            trials=3,
        ),
        "λ = 0.9: after epoch 12, the test error of the same members is 2.9 % (95 % interval 2.6 "
        "to 3.2 %) with averaged logits, 3.0 % (95 % interval 2.9 to 3.1 %) with averaged "
        "probabilities and 3.9 % (95 % interval 3.5 to 4.3 %) with a majority vote. Compared with "
        "averaged logits: averaged probabilities +0.10 percentage points (95 % interval −0.10 to "
        "+0.30, not significant; a difference of 0.3 points would have been detected with a "
        "probability of 80 %) and a majority vote +1.00 percentage points (95 % interval "
        "+0.80 to +1.20).",
    ),
    (
        wording.combiners(
            0, [1], {"averaged logits": ONE}, {}, own="averaged logits", used=1, trials=2
        ),
        "λ = 0: after epoch 1, the test error of the same members is 50.0 % with averaged logits, "
        "in 1 of 2 trials (in the others a member diverged or outputs are not kept).",
    ),
    (
        wording.combiners(
            0,
            [1],
            {"averaged logits": ONE, "averaged probabilities": ONE},
            {"averaged probabilities": NOT_TESTED},
            own="averaged logits",
            used=1,
            trials=1,
        ),
        "λ = 0: after epoch 1, the test error of the same members is 50.0 % with averaged logits "
        "and 50.0 % with averaged probabilities. Compared with averaged logits: averaged "
        "probabilities +1.00 percentage points in a single trial (not tested).",
    ),
    (
        vote(Comparison(interval=Interval(0.01, 0.002, 0.018), trials=3)),
        "λ = 0.9: on test, the error of the majority vote is 3.9 % (95 % interval 3.5 to 4.3 %), "
        "that of the ensemble 0.2 % (95 % interval 0.0 to 0.5 %), and the mean error of the "
        "members 5.8 % (95 % interval 5.4 to 6.2 %); two members disagree on 8.0 % (95 % interval "
        "7.6 to 8.4 %) of the examples (disagreement-error ratio DER = 1.00, ensemble improvement "
        "rate EIR = 0.35). Majority vote minus ensemble: +1.00 percentage points (95 % interval "
        "+0.20 to +1.80).",
    ),
    (
        vote(
            Comparison(
                interval=Interval(0, NAN, NAN), trials=1, only_first=4, only_second=0, p=0.125
            ),
            majority=ONE,
            ensemble=ONE,
            member=ONE,
            disagreement=ONE,
            disagreement_ratio=NAN,
            improvement_rate=NAN,
            trials=2,
        ),
        "λ = 0.9: on test, the error of the majority vote is 50.0 %, that of the ensemble 50.0 %, "
        "and the mean error of the members 50.0 %; two members disagree on 50.0 % of the examples "
        "(DER and EIR are undefined: the members make no errors), in 1 of 2 trials (in the others "
        "a member diverged or outputs are not kept). Majority vote minus ensemble: 0.00 percentage "
        "points in a single trial (only the former is wrong on 4 test examples, only the latter on "
        "0; McNemar's test, p = 0.12, not significant).",
    ),
    (
        wording.stacked(
            0,
            around(0.11, 0.01),
            around(0.205, 0.005),
            Comparison(
                interval=Interval(-0.095, NAN, NAN),
                trials=1,
                only_first=3,
                only_second=50,
                p=0.0001,
            ),
        ),
        "λ = 0: a combiner trained on the validation outputs of the members has a test error of "
        "11.0 % (95 % interval 10.0 to 12.0 %); their averaged logits have 20.5 % (95 % interval "
        "20.0 to 21.0 %). Difference: −9.50 percentage points in a single trial (only the former "
        "is wrong on 3 test examples, only the latter on 50; McNemar's test, p < 0.001).",
    ),
    (
        wording.stacked(0, ONE, ONE, Comparison(interval=Interval(-0.023, NAN, NAN), trials=3)),
        "λ = 0: a combiner trained on the validation outputs of the members has a test error of "
        "50.0 %; their averaged logits have 50.0 %. Difference: −2.30 percentage points in each of "
        "3 trials (no spread, so not tested).",
    ),
    (
        wording.fit_not_converged(0, 1),
        "λ = 0: the fit of the trained combiner did not converge in 1 trial; the errors are those "
        "of the unconverged fit.",
    ),
    (
        wording.fit_not_converged(0, 2),
        "λ = 0: the fit of the trained combiner did not converge in 2 trials; the errors are those "
        "of the unconverged fit.",
    ),
]


def test_no_interval_of_wrong_predictions_exceeds_100_percent():
    compared = Comparison(interval=around(0.1, 1), trials=2, detectable=1.0)
    sentence = vote(compared, majority=around(0.22, 1), disagreement=around(0.7, 0.7))
    assert "majority vote is 22.0 % (95 % interval 0.0 to 100.0 %)" in sentence
    assert "disagree on 70.0 % (95 % interval 0.0 to 100.0 %)" in sentence


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES)
def test_each_sentence_is_as_written_here(sentence, expected):
    assert sentence == expected
    assert not re.search(r"\b(nan|inf)\b|  | \.", sentence)


def test_no_sentence_is_left_out():
    public = {
        name
        for name, value in vars(wording).items()
        if getattr(value, "__module__", "") == wording.__name__ and name[0] != "_"
    }
    assert public == {"combiners", "fit_not_converged", "stacked", "vote"}
