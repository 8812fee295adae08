import math
import re

import pytest

from jtdiag_probes.diversity import wording
from jtdiag_probes.diversity.wording import MeanSE

NAN = math.nan

SENTENCES = [
    (
        wording.worth(0.9, MeanSE(3.694, 0.489), MeanSE(0.0837, 0.00036), MeanSE(3.61, 0.49)),
        "λ = 0.9: on test, the ensemble's loss is 0.08370 ± 0.00036 nats and the mean loss of its "
        "members is 3.69 ± 0.49 nats; the difference, 3.61 ± 0.49 nats, is the diversity.",
    ),
    (
        wording.worth(0, MeanSE(1, NAN), MeanSE(0.5, NAN), MeanSE(0.5, NAN)),
        "λ = 0: on test, the ensemble's loss is 0.5 nats and the mean loss of its members is 1 "
        "nats; the difference, 0.5 nats, is the diversity.",
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
        wording.collusion(1, 8.371, MeanSE(0.025, 0.075), -0.003, gained=False),
        "λ = 1: learner collusion: compared with λ = 0, the diversity on test is 8.37 nats higher, "
        "but the members' mean loss is higher by about as much, and the ensemble's loss is 0.025 ± "
        "0.075 nats higher (not lower by more than two standard errors). Use all members together, "
        "or a smaller λ.",
    ),
    (
        wording.collusion(0.9, 5, MeanSE(-0.1, 0.01), 0.02, gained=True),
        "λ = 0.9: mostly learner collusion: compared with λ = 0, the diversity on test is 5 nats "
        "higher, but the members' mean loss is higher by about as much, and the ensemble's loss is "
        "0.100 ± 0.010 nats lower, 2 % of that. Use all members together, or a smaller λ.",
    ),
    (
        wording.collusion(1, 5, MeanSE(0.1, NAN), -0.02, gained=False),
        "λ = 1: learner collusion: compared with λ = 0, the diversity on test is 5 nats higher, "
        "but the members' mean loss is higher by about as much, and the ensemble's loss is 0.1 "
        "nats higher. Use all members together, or a smaller λ.",
    ),
    (
        wording.offsets_and_dropping(1, 0.231, 0.4, increase=0.0229, predicted=0.02199),
        "λ = 1: 23 % of the diversity on test is constant offsets of the logits that cancel in the "
        "ensemble; dropping a random 40 % of the members for each example changes the ensemble's "
        "loss by +0.0229 nats (+0.022 nats predicted from the diversity alone).",
    ),
    (
        wording.offsets_and_dropping(0, -0.1, 0.4, increase=-0.001, predicted=0),
        "λ = 0: the diversity on test is not inflated by constant offsets of the logits; dropping "
        "a random 40 % of the members for each example changes the ensemble's loss by −0.001 nats "
        "(+0 nats predicted from the diversity alone).",
    ),
    (
        wording.generalization_gap(0.9, 0.51, 0.4, 0.978, running_means=True),
        "λ = 0.9: the ensemble's loss on test is 0.51 nats higher than in training (0.4 nats "
        "higher at λ = 0); the diversity in training is 0.98 times that on test. Training values "
        "are running means over the epoch.",
    ),
    (
        wording.generalization_gap(0, -0.02, NAN, NAN, running_means=False),
        "λ = 0: the ensemble's loss on test is 0.02 nats lower than in training.",
    ),
    (
        wording.terms(
            0.9, 3, MeanSE(0.4, 0.012), MeanSE(0.5, 0.02), MeanSE(0.2, 0.01), MeanSE(0.3, 0.01)
        ),
        "λ = 0.9: on test, over 3 trials, the ensemble's expected loss, 0.400 ± 0.012 nats, is the "
        "members' average bias, 0.500 ± 0.020 nats, plus their average variance, 0.200 ± 0.010 "
        "nats, minus their diversity, 0.300 ± 0.010 nats.",
    ),
    (
        wording.terms(0, 2, MeanSE(0.4, 0.1), MeanSE(0.5, NAN), MeanSE(0.2, NAN), MeanSE(0.3, 0)),
        "λ = 0: on test, over 2 trials, the ensemble's expected loss, 0.40 ± 0.10 nats, is the "
        "members' average bias, 0.5 nats, plus their average variance, 0.2 nats, minus their "
        "diversity, 0.3 ± 0 nats.",
    ),
    (
        wording.terms_change(
            0.9, 0, loss=-0.1, bias=0.2, variance=0, diversity=0.3, significant=True
        ),
        "λ = 0.9 has the lowest expected loss. Compared with λ = 0 it changes by −0.1 nats: "
        "average bias +0.2, average variance +0, diversity +0.3, which is subtracted.",
    ),
    (
        wording.terms_change(
            1, 0.5, loss=-0.01, bias=-0.2, variance=0.1, diversity=-0.09, significant=False
        ),
        "λ = 1 has the lowest expected loss. Compared with λ = 0.5 it changes by −0.01 nats (less "
        "than two standard errors: not significant): average bias −0.2, average variance +0.1, "
        "diversity −0.09, which is subtracted.",
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
        "MeanSE",
        "collusion",
        "diverged",
        "generalization_gap",
        "joint_loss_differs",
        "not_finite",
        "offsets_and_dropping",
        "store_differs",
        "terms",
        "terms_change",
        "terms_differ",
        "worth",
    }
