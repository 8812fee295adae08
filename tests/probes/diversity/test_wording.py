import math
import re

import pytest

from jtdiag.stats import Interval
from jtdiag_probes.diversity import wording

NAN = math.nan


def around(mean, reach):
    return Interval(mean, mean - reach, mean + reach)


def just(mean):
    return Interval(mean, NAN, NAN)


SENTENCES = [
    (
        wording.identical(0.9),
        "λ = 0.9: on test, the members predict the same up to rounding, so there is no diversity "
        "to judge. Members are identical if members.factory sets a seed.",
    ),
    (
        wording.worth(0.9, around(3.694, 0.489), around(0.0837, 0.00036), around(3.61, 0.49)),
        "λ = 0.9: on test, the ensemble's loss is 0.08370 nats (95 % interval 0.08334 to 0.08406 "
        "nats) and the mean loss of its members is 3.69 nats (95 % interval 3.21 to 4.18 nats); "
        "the difference, 3.61 nats (95 % interval 3.12 to 4.10 nats), is the diversity.",
    ),
    (
        wording.worth(0, just(1), just(0.5), just(0.5), diverged=1),
        "λ = 0: on test, the ensemble's loss is 0.5 nats and the mean loss of its members is 1 "
        "nats; the difference, 0.5 nats, is the diversity. Without 1 trial in which a member "
        "diverged.",
    ),
    (
        wording.diverged(1, trial=2, count=1, members=1, epoch=3),
        "λ = 1, trial 2: training diverged, from epoch 3 on: the loss is not finite. Lower "
        "train.lr at this λ or set train.clip (gradient clipping). Findings on other lanes are not "
        "affected.",
    ),
    (
        wording.diverged(1, trial=2, count=1, members=4, epoch=3),
        "λ = 1, trial 2: 1 of 4 members diverged, from epoch 3 on: its loss is not finite, and "
        "neither is the ensemble's. Lower train.lr at this λ or set train.clip (gradient "
        "clipping). Findings on other lanes are not affected.",
    ),
    (
        wording.diverged(1, trial=0, count=4, members=4, epoch=1),
        "λ = 1, trial 0: 4 of 4 members diverged, from epoch 1 on: their loss is not finite, and "
        "neither is the ensemble's. Lower train.lr at this λ or set train.clip (gradient "
        "clipping). Findings on other lanes are not affected.",
    ),
    (
        wording.joint_loss_differs(1.26e-6, 1e-12),
        "Self-test failed: Eq. 4 and Eq. 5 differ by 1.3e-06 nats (limit 1e-12). Do not trust the "
        "numbers of this run; check its store.",
    ),
    (
        wording.store_differs(0.25, 1e-3),
        "Self-test failed: stored losses and losses recomputed from stored outputs differ by 0.25 "
        "nats (limit 0.001). Do not trust the numbers of this run; check its store.",
    ),
    (
        wording.not_finite(4, lam=0.9, trial=1, epoch=0, split="test"),
        "Self-test failed: the stored logits of 4 examples are not finite or too large, although "
        "the losses are finite (most at λ = 0.9, trial 1, epoch 0, test). Logits beyond the range "
        "of keep.dtype overflow; if that is not the cause, check the store.",
    ),
    (
        wording.not_finite(1, lam=0, trial=0, epoch=5, split="val"),
        "Self-test failed: the stored logits of 1 example are not finite or too large, although "
        "the losses are finite (most at λ = 0, trial 0, epoch 5, val). Logits beyond the range of "
        "keep.dtype overflow; if that is not the cause, check the store.",
    ),
    (
        wording.collusion(1, around(8.371, 1.2), around(0.025, 0.075), 0.05, NAN),
        "λ = 1: learner collusion: compared with λ = 0, the diversity on test changes by +8.4 nats "
        "(95 % interval +7.2 to +9.6 nats), and the ensemble's loss by +0.025 nats (95 % interval "
        "−0.050 to +0.100 nats). The loss is lower by less than 5 % of the added diversity, "
        "because the members' mean loss is higher by the rest.",
    ),
    (
        wording.collusion(0.9, around(5, 1), around(-0.1, 0.01), 0.05, 0.02),
        "λ = 0.9: mostly learner collusion: compared with λ = 0, the diversity on test changes by "
        "+5.0 nats (95 % interval +4.0 to +6.0 nats), and the ensemble's loss by −0.100 nats (95 % "
        "interval −0.110 to −0.090 nats), a reduction by 2.0 % of that. The loss is lower by less "
        "than 5 % of the added diversity, because the members' mean loss is higher by the rest.",
    ),
    (
        wording.added_diversity(1, just(5), just(0.1), trials=1, detectable=NAN),
        "λ = 1: compared with λ = 0, the diversity on test changes by +5 nats, and the ensemble's "
        "loss by +0.1 nats. A single trial cannot show whether the members collude.",
    ),
    (
        wording.added_diversity(1, just(5), just(0.1), trials=2, detectable=NAN),
        "λ = 1: compared with λ = 0, the diversity on test changes by +5 nats, and the ensemble's "
        "loss by +0.1 nats. Trials without spread cannot show whether the members collude.",
    ),
    (
        wording.added_diversity(1, around(5, 1), around(-4, 1), trials=3, detectable=2),
        "λ = 1: compared with λ = 0, the diversity on test changes by +5.0 nats (95 % interval "
        "+4.0 to +6.0 nats), and the ensemble's loss by −4.0 nats (95 % interval −5.0 to −3.0 "
        "nats). Collusion of the members was not detected.",
    ),
    (
        wording.added_diversity(0.9, around(0.5, 1), around(-0.4, 1), trials=3, detectable=1.234),
        "λ = 0.9: compared with λ = 0, the diversity on test changes by +0.5 nats (95 % interval "
        "−0.5 to +1.5 nats), and the ensemble's loss by −0.4 nats (95 % interval −1.4 to +0.6 "
        "nats). Neither collusion nor a change of the loss was detected; a difference of 1.2 nats "
        "would have been detected with a probability of 80 %.",
    ),
    (
        wording.offsets_and_dropping(
            1,
            around(-0.231, 0.02),
            dropped=2,
            members=5,
            increase=around(0.0229, 0.001),
            predicted=around(0.02199, 0.001),
        ),
        "λ = 1: without the members' constant offsets of the logits, which cancel in the ensemble, "
        "the diversity on test changes by −23 % (95 % interval −25 to −21 %); dropping 2 of 5 "
        "members at random for each example changes the ensemble's loss by +0.0229 nats (95 % "
        "interval +0.0219 to +0.0239 nats), where the diversity alone predicts +0.0220 nats (95 % "
        "interval +0.0210 to +0.0230 nats).",
    ),
    (
        wording.offsets_and_dropping(
            0, just(0.1), dropped=1, members=2, increase=just(-0.001), predicted=just(0)
        ),
        "λ = 0: without the members' constant offsets of the logits, which cancel in the ensemble, "
        "the diversity on test changes by +10 %; dropping 1 of 2 members at random for each "
        "example changes the ensemble's loss by −0.001 nats, where the diversity alone predicts +0 "
        "nats.",
    ),
    (
        wording.generalization_gap(0.9, around(0.51, 0.1), just(0.4), 0.978, running_means=True),
        "λ = 0.9: the ensemble's loss on test minus that in training is +0.51 nats (95 % interval "
        "+0.41 to +0.61 nats); at λ = 0 it is +0.4 nats. The diversity in training is 0.98 times "
        "that on test. Training values are running means over the epoch.",
    ),
    (
        wording.generalization_gap(0, just(-0.02), None, NAN, running_means=False),
        "λ = 0: the ensemble's loss on test minus that in training is −0.02 nats.",
    ),
    (
        wording.terms(
            0.9,
            3,
            around(0.4, 0.012),
            around(0.3, 0.01),
            bias=0.5,
            variance=0.2,
            bias_se=0.0204,
            variance_se=0.01,
        ),
        "λ = 0.9: on test, over 3 trials, the ensemble's expected loss, 0.400 nats (95 % interval "
        "0.388 to 0.412 nats), is the members' average bias, 0.5 nats (SE 0.02), plus their "
        "average variance, 0.2 nats (SE 0.01), minus their diversity, 0.300 nats (95 % interval "
        "0.290 to 0.310 nats).",
    ),
    (
        wording.terms(
            0, 2, just(0.4), just(0.3), bias=0.5, variance=0.2, bias_se=NAN, variance_se=NAN
        ),
        "λ = 0: on test, over 2 trials, the ensemble's expected loss, 0.4 nats, is the members' "
        "average bias, 0.5 nats, plus their average variance, 0.2 nats, minus their diversity, 0.3 "
        "nats.",
    ),
    (
        wording.terms_change(0.9, 0, around(-0.1, 0.05), bias=0.2, variance=0, diversity=0.3),
        "λ = 0.9 has the lowest mean loss. Compared with λ = 0 it changes by −0.100 nats (95 % "
        "interval −0.150 to −0.050 nats): average bias +0.2, average variance +0, diversity +0.3, "
        "which is subtracted.",
    ),
    (
        wording.no_change(1, 0.5, around(-0.01, 0.2), 0.25),
        "λ = 1 has the lowest mean loss, but its difference from λ = 0.5, −0.01 nats (95 % "
        "interval −0.21 to +0.19 nats), is not significant; a difference of 0.25 nats would have "
        "been detected with a probability of 80 %.",
    ),
    (
        wording.no_change(1, 0.5, just(-0.01), NAN),
        "λ = 1 has the lowest mean loss, but its difference from λ = 0.5, −0.01 nats, is not "
        "significant.",
    ),
    (
        wording.terms_differ(3.14e-9, 1e-12),
        "Self-test failed: bias plus variance minus diversity differs from the loss by 3.1e-09 "
        "nats (limit 1e-12). Do not trust these terms.",
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
        if callable(value) and value.__module__ == wording.__name__ and name[0] != "_"
    }
    assert public == {
        "identical",
        "added_diversity",
        "collusion",
        "diverged",
        "generalization_gap",
        "joint_loss_differs",
        "no_change",
        "not_finite",
        "offsets_and_dropping",
        "store_differs",
        "terms",
        "terms_change",
        "terms_differ",
        "worth",
    }
