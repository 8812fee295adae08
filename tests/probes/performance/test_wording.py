"""Every sentence of the probes performance and capacity."""

import re

import pytest

from jtdiag.stats import Interval
from jtdiag_probes.performance import wording
from jtdiag_probes.performance.wording import Comparison, EndToEnd, Error

NAN = float("nan")


def interval(mean, low=NAN, high=NAN):
    return Interval(mean, low, high)


ERROR = Error(over_trials=interval(11.0, 10.0, 12.0), population=interval(11.0, 8.5, 13.9))
KNOWN_BY_TRIAL = Error(over_trials=interval(11.0, 10.0, 12.0), population=interval(11.0))
ONE_TRIALS = Error(over_trials=interval(11.0), population=interval(11.0, 8.5, 13.9))
ALONE = Error(over_trials=interval(11.0), population=interval(11.0))
WRITTEN = (
    "11.0 % (95 % interval over trials 10.0 to 12.0 %; over trials and test examples 8.5 to 13.9 %)"
)
SHORT = "11.0 % (95 % interval 10.0 to 12.0 %)"
LOWEST = f"λ = 0.9 has the lowest test error of the ensemble, {WRITTEN}."


def compared(lam, mean, low=NAN, high=NAN, trials=3, **more):
    return Comparison(lam=lam, points=interval(mean, low, high), trials=trials, **more)


WORSE_0 = compared(0.0, 9.0, 5.1, 12.9, worse=True)
WORSE_HALF = compared(0.5, 4.0, 1.25, 6.75, worse=True)
SAME_IN_ALL = compared(1.0, 0.2)
SIMILAR = compared(0.95, 0.33, -1.2, 1.86, detectable=2.1)
ALSO_SIMILAR = compared(1.0, 0.4, -1.2, 2.0, detectable=2.4)
ONE_TRIAL = [compared(0.0, 10.0, trials=1), compared(0.5, 2.0, trials=1)]
TWO_TRIALS = [compared(0.5, 0.2, -9, 9.4, trials=2, detectable=30.0)]
MANY_WORSE = [compared(lam, 2 + lam, 1, 5, worse=True) for lam in (0.0, 0.1, 0.2, 0.3, 0.4)]
MANY_SIMILAR = [compared(lam, lam, -1, 5) for lam in (0.0, 0.1, 0.2, 0.3, 0.4)]

HIGHER = EndToEnd(points=interval(2.1, 0.5, 3.7), trials=5, detectable=2.2)
LOWER = EndToEnd(points=interval(-2.1, -3.7, -0.5), trials=3)
UNCLEAR = EndToEnd(points=interval(-0.13, -2.4, 2.14), trials=3, detectable=3.94)
NO_SPREAD = EndToEnd(points=interval(0.2), trials=3)
UNTESTED = EndToEnd(points=interval(0.2), trials=1)
LOCAL_HIGHER = EndToEnd(points=interval(2.1, 0.5, 3.7), trials=5, credit="local, pred")
LOCAL_UNCLEAR = EndToEnd(points=interval(-0.13, -2.4, 2.14), trials=3, credit="proxy, al")
LOCAL_UNTESTED = EndToEnd(points=interval(0.2), trials=1, credit="local, pred")
ONE_HIGHER = EndToEnd(points=interval(2.2, 0.5, 3.9), trials=1, wins=4, losses=15, detectable=2.4)
ONE_UNCLEAR = EndToEnd(points=interval(0.8, -0.2, 1.7), trials=1, wins=0, losses=4, detectable=1.1)
ONE_OF_NUMBERS = EndToEnd(points=interval(0.8, -0.2, 1.7), trials=1, detectable=1.1)

SENTENCES = {
    "one λ": (
        wording.best_lambda(0.5, ERROR, []),
        f"λ = 0.5: the test error of the ensemble is {WRITTEN}.",
    ),
    "one λ, test examples unknown": (
        wording.best_lambda(0.5, KNOWN_BY_TRIAL, []),
        f"λ = 0.5: the test error of the ensemble is {SHORT}.",
    ),
    "one λ in one trial": (
        wording.best_lambda(0.5, ONE_TRIALS, []),
        "λ = 0.5: the test error of the ensemble is 11.0 % (95 % interval for new test examples "
        "8.5 to 13.9 %, without the variation of trials).",
    ),
    "one λ in one trial, another measure": (
        wording.best_lambda(0.5, ALONE, [], measure="fraction of variance"),
        "λ = 0.5: the test error of the ensemble (fraction of variance) is 11.0 %.",
    ),
    "both are worse": (
        wording.best_lambda(0.9, ERROR, [WORSE_0, WORSE_HALF]),
        f"{LOWEST} λ = 0 (independent training, +9.00 points, 95 % interval +5.10 to +12.90) and "
        "λ = 0.5 (+4.00 points, 95 % interval +1.25 to +6.75) are significantly worse.",
    ),
    "one is worse, one has the same difference in all trials": (
        wording.best_lambda(0.9, ERROR, [WORSE_0, SAME_IN_ALL]),
        f"{LOWEST} Not significantly different from the best: λ = 1 (end-to-end training, +0.20 "
        "points in each of 3 trials). λ = 0 (independent training, +9.00 points, 95 % interval "
        "+5.10 to +12.90) is significantly worse.",
    ),
    "one is similar": (
        wording.best_lambda(0.9, ERROR, [SIMILAR]),
        f"{LOWEST} Not significantly different from the best: λ = 0.95 (+0.33 points, 95 % "
        "interval −1.20 to +1.86). There, a difference of 2.10 points would have been detected "
        "with a probability of 80 %.",
    ),
    "two are similar": (
        wording.best_lambda(0.9, ERROR, [SIMILAR, ALSO_SIMILAR]),
        f"{LOWEST} Not significantly different from the best: λ = 0.95 (+0.33 points, 95 % "
        "interval −1.20 to +1.86) and λ = 1 (end-to-end training, +0.40 points, 95 % interval "
        "−1.20 to +2.00). At each of these, a difference of 2.40 points would have been detected "
        "with a probability of 80 %.",
    ),
    "two trials": (
        wording.best_lambda(0.9, ERROR, TWO_TRIALS),
        f"{LOWEST} 2 trials are too few to test differences between λs: λ = 0.5 (+0.20 points, "
        "95 % interval −9.00 to +9.40).",
    ),
    "one trial": (
        wording.best_lambda(0.9, ALONE, ONE_TRIAL, measure="fraction of variance"),
        "λ = 0.9 has the lowest test error of the ensemble (fraction of variance), 11.0 %. One "
        "trial is too few to test differences between λs: λ = 0 (independent training, +10.00 "
        "points in 1 trial) and λ = 0.5 (+2.00 points in 1 trial).",
    ),
    "one λ has a single trial": (
        wording.best_lambda(0.9, ERROR, [ALSO_SIMILAR, compared(0.5, 0.1, trials=1)]),
        f"{LOWEST} Not significantly different from the best: λ = 1 (end-to-end training, +0.40 "
        "points, 95 % interval −1.20 to +2.00) and λ = 0.5 (+0.10 points in 1 trial). At λ = 1, "
        "a difference of 2.40 points would have been detected with a probability of 80 %.",
    ),
    "many λs": (
        wording.best_lambda(0.9, ERROR, MANY_WORSE),
        f"{LOWEST} λ = 0, 0.1, 0.2, 0.3 and 0.4 (+2.00 to +2.40 points) are significantly worse.",
    ),
    "learning rates": (
        wording.best_lambda(
            0.9, ERROR, [SAME_IN_ALL], learning_rates={0.9: 5.12, 0.95: 5.12, 1.0: 1.536}
        ),
        f"{LOWEST} Not significantly different from the best: λ = 1 (end-to-end training, +0.20 "
        "points in each of 3 trials). Learning rates differ (5.12 at λ = 0.9 and 0.95; 1.536 at "
        "λ = 1), so differences may be due to them.",
    ),
    "headline, one λ": (
        wording.best_lambda_headline(0.5, ERROR, []),
        f"the test error is {SHORT} at λ = 0.5",
    ),
    "headline, best": (
        wording.best_lambda_headline(0.9, ERROR, [WORSE_0, WORSE_HALF]),
        f"λ = 0.9 is best, with a test error of {SHORT}",
    ),
    "headline, similar": (
        wording.best_lambda_headline(0.9, ERROR, [WORSE_0, SIMILAR, SAME_IN_ALL]),
        f"λ = 0.9 has the lowest test error, {SHORT}, not significantly different from λ = 0.95 "
        "and 1",
    ),
    "headline, many similar": (
        wording.best_lambda_headline(0.9, ERROR, MANY_SIMILAR),
        f"λ = 0.9 has the lowest test error, {SHORT}, not significantly different from 5 other λs",
    ),
    "headline, two trials": (
        wording.best_lambda_headline(0.9, ERROR, TWO_TRIALS),
        f"λ = 0.9 has the lowest test error, {SHORT}, but 2 trials are too few to say which λ is "
        "best",
    ),
    "headline, one trial": (
        wording.best_lambda_headline(0.9, ALONE, ONE_TRIAL),
        "λ = 0.9 has the lowest test error, 11.0 %, in a single trial",
    ),
    "end to end, higher": (
        wording.end_to_end(HIGHER),
        "End-to-end training (λ = 1) has a significantly higher test error of the ensemble than "
        "independent training (λ = 0): +2.10 points (95 % interval +0.50 to +3.70 points) over 5 "
        "paired trials.",
    ),
    "end to end, lower, learning rates": (
        wording.end_to_end(LOWER, learning_rates={0.0: 0.2, 1.0: 0.1}),
        "End-to-end training (λ = 1) has a significantly lower test error of the ensemble than "
        "independent training (λ = 0): −2.10 points (95 % interval −3.70 to −0.50 points) over 3 "
        "paired trials. Learning rates differ (0.2 at λ = 0; 0.1 at λ = 1), so differences may be "
        "due to them.",
    ),
    "end to end, not different, another measure": (
        wording.end_to_end(UNCLEAR, measure="fraction of variance"),
        "The test error of the ensemble (fraction of variance) is not significantly different for "
        "end-to-end training (λ = 1) and independent training (λ = 0): −0.13 points (95 % interval "
        "−2.40 to +2.14 points) over 3 paired trials. A difference of 3.94 points would have been "
        "detected with a probability of 80 %.",
    ),
    "end to end, the same difference in all trials": (
        wording.end_to_end(NO_SPREAD),
        "The test error of the ensemble differs by the same amount in each of 3 trials, so a test "
        "is not possible: +0.20 points for end-to-end training (λ = 1) against independent "
        "training (λ = 0).",
    ),
    "end to end, one trial without outputs": (
        wording.end_to_end(UNTESTED),
        "One trial is too few to test whether end-to-end training (λ = 1) and independent training "
        "(λ = 0) differ: +0.20 points.",
    ),
    "end to end, one trial": (
        wording.end_to_end(ONE_HIGHER),
        "End-to-end training (λ = 1) has a significantly higher test error of the ensemble than "
        "independent training (λ = 0): +2.20 points (95 % interval +0.50 to +3.90 points) over the "
        "test examples of a single trial. Only λ = 1 is right on 4 of them, only λ = 0 on 15 "
        "(exact McNemar test, p = 0.019). More trials are needed to say what another training "
        "would give.",
    ),
    "end to end, one trial, not different": (
        wording.end_to_end(ONE_UNCLEAR),
        "The test error of the ensemble is not significantly different for end-to-end training "
        "(λ = 1) and independent training (λ = 0): +0.80 points (95 % interval −0.20 to +1.70 "
        "points) over the test examples of a single trial. Only λ = 1 is right on 0 of them, only "
        "λ = 0 on 4 (exact McNemar test, p = 0.12). More trials are needed to say what another "
        "training would give. A difference of 1.10 points would have been detected with a "
        "probability of 80 %.",
    ),
    "end to end, one trial of numbers": (
        wording.end_to_end(ONE_OF_NUMBERS, measure="fraction of variance"),
        "The test error of the ensemble (fraction of variance) is not significantly different for "
        "end-to-end training (λ = 1) and independent training (λ = 0): +0.80 points (95 % interval "
        "−0.20 to +1.70 points) over the test examples of a single trial. More trials are needed "
        "to say what another training would give. A difference of 1.10 points would have been "
        "detected with a probability of 80 %.",
    ),
    "joint, layers not end to end, higher": (
        wording.end_to_end(LOCAL_HIGHER),
        "Joint training of the members (λ = 1) has a significantly higher test error of the "
        "ensemble than independent training (λ = 0): +2.10 points (95 % interval +0.50 to +3.70 "
        "points) over 5 paired trials. Layers are not trained end to end at either λ (local, "
        "pred).",
    ),
    "joint, layers not end to end, not different": (
        wording.end_to_end(LOCAL_UNCLEAR),
        "The test error of the ensemble is not significantly different for joint training of the "
        "members (λ = 1) and independent training (λ = 0): −0.13 points (95 % interval −2.40 to "
        "+2.14 points) over 3 paired trials. Layers are not trained end to end at either λ "
        "(proxy, al).",
    ),
    "joint, headline, higher": (
        wording.end_to_end_headline(LOCAL_HIGHER),
        "the test error of joint training is higher than that of independent training, by "
        "2.10 points (95 % interval 0.50 to 3.70 points)",
    ),
    "joint, headline, not different": (
        wording.end_to_end_headline(LOCAL_UNCLEAR),
        "joint and independent training are not significantly different",
    ),
    "joint, headline, untested": (
        wording.end_to_end_headline(LOCAL_UNTESTED),
        "one trial is too few to say whether joint training is worse than independent",
    ),
    "best λ, layers not end to end": (
        wording.best_lambda(
            0.0, ERROR, [compared(1.0, 2.0, 1.0, 3.0, worse=True, layers_end_to_end=False)]
        ),
        f"λ = 0 has the lowest test error of the ensemble, {WRITTEN}. λ = 1 (joint training, "
        "+2.00 points, 95 % interval +1.00 to +3.00) is significantly worse.",
    ),
    "end to end, headline, higher": (
        wording.end_to_end_headline(HIGHER),
        "the test error of end-to-end training is higher than that of independent training, by "
        "2.10 points (95 % interval 0.50 to 3.70 points)",
    ),
    "end to end, headline, lower": (
        wording.end_to_end_headline(LOWER),
        "the test error of end-to-end training is lower than that of independent training, by "
        "2.10 points (95 % interval 0.50 to 3.70 points)",
    ),
    "end to end, headline, one trial": (
        wording.end_to_end_headline(ONE_HIGHER),
        "the test error of end-to-end training is higher than that of independent training in a "
        "single trial, by 2.20 points (95 % interval 0.50 to 3.90 points)",
    ),
    "end to end, headline, not different": (
        wording.end_to_end_headline(UNCLEAR),
        "end-to-end and independent training are not significantly different",
    ),
    "end to end, headline, no spread": (
        wording.end_to_end_headline(NO_SPREAD),
        "a difference between end-to-end and independent training cannot be tested",
    ),
    "end to end, headline, untested": (
        wording.end_to_end_headline(UNTESTED),
        "one trial is too few to say whether end-to-end training is worse than independent",
    ),
    "diversity": (
        wording.diversity(
            0.9, 0.31234, interval(0.2, 0.15, 0.25), ERROR.over_trials, interval(16.1, 15.0, 17.2)
        ),
        "λ = 0.9: the test loss of the ensemble is 0.312 nats; the mean loss of its members is "
        "higher by 0.200 nats (95 % interval 0.150 to 0.250 nats), their diversity. The test error "
        f"of the ensemble is {SHORT}, that of the median member 16.1 % (95 % interval 15.0 to "
        "17.2 %).",
    ),
    "diversity, one trial, an error that is not finite": (
        wording.diversity(0.9, 0.31234, interval(0.2), ERROR.over_trials, interval(float("inf"))),
        "λ = 0.9: the test loss of the ensemble is 0.312 nats; the mean loss of its members is "
        "higher by 0.200 nats, their diversity.",
    ),
    "difference": (
        wording.difference(Interval(-0.2, -0.5, 0.1), 3),
        "−0.20 points, 95 % interval −0.50 to +0.10",
    ),
    "capacity": (
        wording.optimal_lambda(0.5, ERROR.over_trials, [0.9, 1.0], 3, 50890),
        f"λ = 0.5 has the lowest test error, {SHORT}; not significantly different from the best: "
        "λ = 0.9 and 1. Each member has 50,890 parameters.",
    ),
    "capacity, branches of one network": (
        wording.optimal_lambda(0.5, ERROR.over_trials, [], 3, 3376586, branched=True),
        f"λ = 0.5 has the lowest test error, {SHORT}; all other λs are significantly worse. The "
        "network has 3,376,586 parameters.",
    ),
    "nothing learned": (
        wording.nothing_learned(ALONE, 66.7),
        "λs are not compared: the ensemble has not learned anything, even where its test error is "
        "lowest, 11.0 % (chance level: 66.7 %).",
    ),
    "nothing learned, another measure": (
        wording.nothing_learned(ALONE, 100.0, measure="mean squared error"),
        "λs are not compared: the ensemble has not learned anything, even where its test error "
        "(mean squared error) is lowest, 11.0 % (chance level: 100.0 %).",
    ),
    "capacity, certain, one parameter": (
        wording.optimal_lambda(0.5, ERROR.over_trials, [], 3, 1),
        f"λ = 0.5 has the lowest test error, {SHORT}; all other λs are significantly worse. Each "
        "member has 1 parameter.",
    ),
    "capacity, two trials": (
        wording.optimal_lambda(0.5, ERROR.over_trials, [0.9], 2, 50890),
        f"λ = 0.5 has the lowest test error, {SHORT}; 2 trials are too few to say which λs are "
        "worse. Each member has 50,890 parameters.",
    ),
    "capacity, one trial, size unknown": (
        wording.optimal_lambda(0.5, interval(11.0), [0.9], 1, NAN),
        "λ = 0.5 has the lowest test error, 11.0 %; one trial is too few to say which λs are "
        "worse. The number of parameters per member is unknown: the run has no checkpoints and its "
        "data are not available.",
    ),
    "capacity, validation": (
        wording.selected_on_validation(0.9, ERROR.over_trials),
        f"Selected on validation: λ = 0.9, with a test error of {SHORT}.",
    ),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_the_sentence_is(name):
    sentence, expected = SENTENCES[name]
    assert sentence == expected
    assert not re.search(r"\bnan\b|\binf\b|  | \.", sentence)
