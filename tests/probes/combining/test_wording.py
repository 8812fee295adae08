import math
import re

import pytest

from jtdiag_probes.combining import wording
from jtdiag_probes.combining.wording import Difference, Percent

NAN = math.nan

SENTENCES = [
    (
        wording.combiners(
            0.9,
            12,
            {
                "averaged logits": Percent(0.029, 0.003),
                "averaged probabilities": Percent(0.03, 0.001),
                "a majority vote": Percent(0.039, 0.004),
            },
        ),
        "λ = 0.9: after epoch 12, the test error of the same members is 2.9 ± 0.3 % with averaged "
        "logits, 3.0 ± 0.1 % with averaged probabilities and 3.9 ± 0.4 % with a majority vote.",
    ),
    (
        wording.combiners(0, 1, {"averaged logits": Percent(0.5, NAN)}),
        "λ = 0: after epoch 1, the test error of the same members is 50.0 % with averaged logits.",
    ),
    (
        wording.vote(
            0.9,
            majority=Percent(0.039, 0.004),
            ensemble=Percent(0.029, 0.003),
            member=Percent(0.058, 0.004),
            disagreement=Percent(0.08, 0.004),
            difference=Difference(0.01, 0.002, 0.018, 3),
            disagreement_ratio=1.004,
            improvement_rate=0.35,
        ),
        "λ = 0.9: on test, the error of the majority vote is 3.9 ± 0.4 %, that of the ensemble 2.9 "
        "± 0.3 %, and the mean error of the members 5.8 ± 0.4 %; two members disagree on 8.0 ± 0.4 "
        "% of the examples (disagreement-error ratio DER = 1.00, ensemble improvement rate EIR = "
        "0.35). Majority vote minus ensemble: +1.00 percentage points (95 % confidence interval "
        "+0.20 to +1.80).",
    ),
    (
        wording.vote(
            0,
            majority=Percent(0, NAN),
            ensemble=Percent(0, NAN),
            member=Percent(0, NAN),
            disagreement=Percent(0, NAN),
            difference=Difference(0, NAN, NAN, 1),
            disagreement_ratio=NAN,
            improvement_rate=NAN,
        ),
        "λ = 0: on test, the error of the majority vote is 0.0 %, that of the ensemble 0.0 %, and "
        "the mean error of the members 0.0 %; two members disagree on 0.0 % of the examples (DER "
        "and EIR are undefined: the members make no errors). Majority vote minus ensemble: 0.00 "
        "percentage points in a single trial (no confidence interval).",
    ),
    (
        wording.stacked(
            0, Percent(0.11, 0.01), Percent(0.205, 0.005), Difference(-0.095, -0.2, 0.01, 2)
        ),
        "λ = 0: a combiner trained on the validation outputs of the members has a test error of "
        "11.0 ± 1.0 %; their averaged logits have 20.5 ± 0.5 %. Difference: −9.50 percentage "
        "points (95 % confidence interval −20.00 to +1.00, not significant).",
    ),
    (
        wording.stacked(0, Percent(0.143, 0), Percent(0.166, 0), Difference(-0.023, NAN, NAN, 3)),
        "λ = 0: a combiner trained on the validation outputs of the members has a test error of "
        "14.3 ± 0.0 %; their averaged logits have 16.6 ± 0.0 %. Difference: −2.30 percentage "
        "points in each of 3 trials (no confidence interval).",
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
    assert public == {
        "Difference",
        "Percent",
        "combiners",
        "fit_not_converged",
        "stacked",
        "vote",
    }
