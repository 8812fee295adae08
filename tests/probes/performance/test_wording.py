"""Every sentence of the probes performance and capacity."""

import re

import pytest

from jtdiag.stats import Interval
from jtdiag_probes.performance import wording
from jtdiag_probes.performance.wording import Comparison, Percent

NAN = float("nan")
ERROR = Percent(11.0, 1.0)


def compared(lam, mean, low=NAN, high=NAN, trials=3):
    return Comparison(lam=lam, points=Interval(mean, low, high), trials=trials)


WORSE_0 = compared(0.0, 9.0, 5.1, 12.9)
WORSE_HALF = compared(0.5, 4.0, 1.25, 6.75)
SAME_IN_ALL = compared(1.0, 0.2)
SIMILAR = compared(0.95, 0.33, -1.2, 1.86)
ONE_TRIAL = [compared(0.0, 10.0, trials=1), compared(0.5, 2.0, trials=1)]
MANY_WORSE = [compared(lam, 2 + lam, 1, 5) for lam in (0.0, 0.1, 0.2, 0.3, 0.4)]
MANY_SIMILAR = [compared(lam, lam, -1, 5) for lam in (0.0, 0.1, 0.2, 0.3, 0.4)]

SENTENCES = {
    "one λ": (
        wording.best_lambda(0.5, ERROR, []),
        "λ = 0.5: the test error of the ensemble is 11.0 ± 1.0 %.",
    ),
    "one λ in one trial, another measure": (
        wording.best_lambda(0.5, Percent(11.0, NAN), [], measure="fraction of variance"),
        "λ = 0.5: the test error of the ensemble (fraction of variance) is 11.0 %.",
    ),
    "both are worse": (
        wording.best_lambda(0.9, ERROR, [WORSE_0, WORSE_HALF]),
        "λ = 0.9 has the lowest test error of the ensemble, 11.0 ± 1.0 %. λ = 0 (independent "
        "training, +9.00 points, 95 % interval +5.10 to +12.90) and λ = 0.5 (+4.00 points, 95 % "
        "interval +1.25 to +6.75) are significantly worse.",
    ),
    "one is worse, one has the same difference in all trials": (
        wording.best_lambda(0.9, ERROR, [WORSE_0, SAME_IN_ALL]),
        "λ = 0.9 has the lowest test error of the ensemble, 11.0 ± 1.0 %. λ = 0 (independent "
        "training, +9.00 points, 95 % interval +5.10 to +12.90) is significantly worse. λ = 1 "
        "(end-to-end training, +0.20 points in each of 3 trials) is not significantly different.",
    ),
    "two trials": (
        wording.best_lambda(0.9, ERROR, [compared(0.5, 0.2, -9, 9.4, trials=2)]),
        "λ = 0.9 has the lowest test error of the ensemble, 11.0 ± 1.0 %. λ = 0.5 (+0.20 points, "
        "95 % interval −9.00 to +9.40) is not significantly different. With only 2 trials, small "
        "differences cannot be detected.",
    ),
    "one trial": (
        wording.best_lambda(0.9, Percent(11.0, NAN), ONE_TRIAL, measure="fraction of variance"),
        "λ = 0.9 has the lowest test error of the ensemble (fraction of variance), 11.0 %. One "
        "trial is too few to test differences: λ = 0 (independent training, +10.00 points) and "
        "λ = 0.5 (+2.00 points).",
    ),
    "one λ has a single trial": (
        wording.best_lambda(0.9, ERROR, [SIMILAR, compared(0.5, 0.1, trials=1)]),
        "λ = 0.9 has the lowest test error of the ensemble, 11.0 ± 1.0 %. λ = 0.95 (+0.33 points, "
        "95 % interval −1.20 to +1.86) and λ = 0.5 (+0.10 points in 1 trial) are not "
        "significantly different.",
    ),
    "many λs": (
        wording.best_lambda(0.9, ERROR, MANY_WORSE),
        "λ = 0.9 has the lowest test error of the ensemble, 11.0 ± 1.0 %. λ = 0, 0.1, 0.2, 0.3 "
        "and 0.4 (+2.00 to +2.40 points) are significantly worse.",
    ),
    "learning rates": (
        wording.best_lambda(
            0.9, ERROR, [SIMILAR, SAME_IN_ALL], learning_rates={0.9: 5.12, 0.95: 5.12, 1.0: 1.536}
        ),
        "λ = 0.9 has the lowest test error of the ensemble, 11.0 ± 1.0 %. λ = 0.95 (+0.33 points, "
        "95 % interval −1.20 to +1.86) and λ = 1 (end-to-end training, +0.20 points in each of 3 "
        "trials) are not significantly different. Learning rates differ (5.12 at λ = 0.9 and "
        "0.95; 1.536 at λ = 1), so differences may be due to them.",
    ),
    "headline, one λ": (
        wording.best_lambda_headline(0.5, ERROR, []),
        "the test error is 11.0 ± 1.0 % at λ = 0.5",
    ),
    "headline, best": (
        wording.best_lambda_headline(0.9, ERROR, [WORSE_0, WORSE_HALF]),
        "λ = 0.9 is best, with a test error of 11.0 ± 1.0 %",
    ),
    "headline, similar": (
        wording.best_lambda_headline(0.9, ERROR, [WORSE_0, SIMILAR, SAME_IN_ALL]),
        "λ = 0.9 has the lowest test error, 11.0 ± 1.0 %, not significantly lower than at λ = "
        "0.95 and 1",
    ),
    "headline, many similar": (
        wording.best_lambda_headline(0.9, ERROR, MANY_SIMILAR),
        "λ = 0.9 has the lowest test error, 11.0 ± 1.0 %, not significantly lower than at 5 other "
        "λs",
    ),
    "headline, one trial": (
        wording.best_lambda_headline(0.9, Percent(11.0, NAN), ONE_TRIAL),
        "λ = 0.9 has the lowest test error, 11.0 %, in a single trial",
    ),
    "diversity": (
        wording.diversity(0.9, 0.31234, 0.2, 0.0123, ERROR, Percent(16.1, 0.6)),
        "λ = 0.9: the test loss of the ensemble is 0.312 nats, 0.200 ± 0.012 nats below the mean "
        "loss of its members (their diversity); its test error is 11.0 ± 1.0 %, that of the "
        "median member 16.1 ± 0.6 %.",
    ),
    "diversity, one trial, an error that is not finite": (
        wording.diversity(0.9, 0.31234, 0.2, NAN, ERROR, Percent(float("inf"), NAN)),
        "λ = 0.9: the test loss of the ensemble is 0.312 nats, 0.200 nats below the mean loss of "
        "its members (their diversity).",
    ),
    "difference": (
        wording.difference(Interval(-0.2, -0.5, 0.1), 3),
        "−0.20 points, 95 % interval −0.50 to +0.10",
    ),
    "capacity": (
        wording.optimal_lambda(0.5, ERROR, 0.5, 1.0, 2, 50890),
        "λ = 0.5 has the lowest test error, 11.0 ± 1.0 %; in 95 % of bootstrap resamples of 2 "
        "trials, the best λ is between 0.5 and 1. Each member has 50,890 parameters.",
    ),
    "capacity, branches of one network": (
        wording.optimal_lambda(0.5, ERROR, 0.5, 0.5, 3, 3376586, branched=True),
        "λ = 0.5 has the lowest test error, 11.0 ± 1.0 %; in 95 % of bootstrap resamples of 3 "
        "trials, the best λ is 0.5. The network has 3,376,586 parameters.",
    ),
    "capacity, certain, one parameter": (
        wording.optimal_lambda(0.5, ERROR, 0.5, 0.5, 3, 1),
        "λ = 0.5 has the lowest test error, 11.0 ± 1.0 %; in 95 % of bootstrap resamples of 3 "
        "trials, the best λ is 0.5. Each member has 1 parameter.",
    ),
    "capacity, one trial, size unknown": (
        wording.optimal_lambda(0.5, Percent(11.0, NAN), NAN, NAN, 1, NAN),
        "λ = 0.5 has the lowest test error, 11.0 %; too few trials for an interval of the best λ. "
        "The number of parameters per member is unknown: the run has no checkpoints and its data "
        "are not available.",
    ),
    "capacity, validation": (
        wording.selected_on_validation(0.9, ERROR),
        "Selected on validation: λ = 0.9, with a test error of 11.0 ± 1.0 %.",
    ),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_the_sentence_is(name):
    sentence, expected = SENTENCES[name]
    assert sentence == expected
    assert not re.search(r"\bnan\b|\binf\b|  | \.", sentence)
