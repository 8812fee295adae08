"""All sentences of the built-in rules."""

import inspect
import re

import pytest

from jtdiag.rules import wording

FACTS = {
    "median_error": 0.73,
    "best_error": 0.124,
    "ensemble_error": 0.1,
    "skill": 0.2125,
    "limit": 0.48,
}
SHORTFALL = (
    "training error: median member 73 %, best member 12 %, ensemble 10 %; the median member has "
    "21 % of the ensemble's skill, below the limit of 48 %"
)
MEASURE = (
    " Measure single members with the probe dominance and missing members with the probe "
    "robustness."
)

SENTENCES = [
    (wording.skill_shortfall(**FACTS), SHORTFALL),
    (
        wording.skill_shortfall(**(FACTS | {"median_error": 1.0, "skill": -0.125})),
        "training error: median member 100 %, best member 12 %, ensemble 10 %; the median member "
        "has −12 % of the ensemble's skill, below the limit of 48 %",
    ),
    (
        wording.skill_shortfall(**(FACTS | {"median_error": float("inf"), "skill": -0.001})),
        "training error: median member not finite, best member 12 %, ensemble 10 %; the median "
        "member has 0 % of the ensemble's skill, below the limit of 48 %",
    ),
    (
        wording.dominance_observation(SHORTFALL),
        f"one member dominates the ensemble ({SHORTFALL})",
    ),
    (
        wording.codependence_observation(SHORTFALL),
        f"no member performs well on its own ({SHORTFALL})",
    ),
    (wording.skill_advice(1.0), "Compare with λ = 0.9 or independent training." + MEASURE),
    (wording.skill_advice(None), "Compare with λ = 0.9 or independent training." + MEASURE),
    (wording.skill_advice(0.9), "Compare with a smaller λ." + MEASURE),
    (wording.skill_advice(0.0), "Compare with larger members or longer training." + MEASURE),
    (
        wording.stagnation_observation(count=1, members=4, smallest=0.105, limit=0.46),
        "1 of 4 members hardly moved from initialization: the smallest distance is 10 % of the "
        "median member's, below the limit of 46 %",
    ),
    (
        wording.stagnation_observation(count=3, members=64, smallest=0.0, limit=0.46),
        "3 of 64 members hardly moved from initialization: the smallest distance is 0 % of the "
        "median member's, below the limit of 46 %",
    ),
    (
        wording.stagnation_advice(1.0),
        "Compare with a smaller λ, or with fewer members of the same total size.",
    ),
    (wording.stagnation_advice(0.0), "Compare with fewer members of the same total size."),
    (
        wording.diversity_observation(diversity=8.9, ratio=3.865, limit=0.73),
        "the diversity on the training set (mean member loss minus ensemble loss) is 8.9 nats, "
        "3.87 times the chance-level loss and above the limit of 0.73",
    ),
    (
        wording.diversity_advice(1.0),
        "Compare with a smaller λ, which gives diversity less weight in the loss.",
    ),
    (
        wording.diversity_advice(0.0),
        "Compare with a smaller learning rate or larger members.",
    ),
    (
        wording.increasing_loss_observation(before=2.5, after=4.0, ratio=1.737),
        "the training loss increased from 2.5 to 4 nats and is 1.74 times the chance-level loss",
    ),
    (
        wording.not_finite_observation(count=1, members=4),
        "the training loss of 1 of 4 members is not finite",
    ),
    (
        wording.not_finite_observation(count=0, members=4),
        "the training loss of the ensemble is not finite",
    ),
    (wording.divergence_advice(), "Lower train.lr, or clip gradients with train.clip."),
    (
        wording.over_capacity_observation(0.0015),
        "members fit the training set on their own: the median member's training error is 0.15 %",
    ),
    (
        wording.over_capacity_observation(0.0),
        "members fit the training set on their own: the median member's training error is 0 %",
    ),
    (
        wording.over_capacity_advice(1.0),
        "Webb et al. (2020) report no benefit of joint training for such members; compare with "
        "λ = 0, independent training.",
    ),
    (
        wording.over_capacity_advice(0.0),
        "Webb et al. (2020) report no benefit of joint training for such members.",
    ),
]


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES)
def test_each_sentence_reads_as_expected(sentence, expected):
    assert sentence == expected
    assert not re.search(r"\bnan\b|\binf\b|  | \.", sentence)


def test_every_public_function_is_tested():
    source = inspect.getsource(inspect.getmodule(test_every_public_function_is_tested))
    public = [
        name
        for name, value in vars(wording).items()
        if inspect.isfunction(value) and not name.startswith("_")
    ]
    assert public
    assert all(f"wording.{name}(" in source for name in public)
