"""All sentences of the built-in rules."""

import inspect
import re

import pytest

from jtdiag.rules import wording

LED = {
    "leaders": 1,
    "members": 4,
    "leader_error": 0.124,
    "others_error": 0.73,
    "ensemble_error": 0.1,
    "skill": 0.2125,
    "limit": 0.48,
}
WEAK = {
    "median_error": 0.73,
    "best_error": 0.524,
    "ensemble_error": 0.1,
    "skill": 0.2125,
    "limit": 0.48,
}
MEASURE = (
    " Measure single members with the probe dominance and missing members with the probe "
    "robustness."
)

SENTENCES = [
    (
        wording.dominance_observation(**LED),
        "one member dominates the ensemble (training error: that member 12 %, the median of the "
        "others 73 %, ensemble 10 %; the median of the others has 21 % of the ensemble's skill, "
        "below the limit of 48 %)",
    ),
    (
        wording.dominance_observation(**(LED | {"members": 2, "others_error": 1, "skill": -0.125})),
        "one member dominates the ensemble (training error: that member 12 %, the other member "
        "100 %, ensemble 10 %; the other member has −12 % of the ensemble's skill, below the "
        "limit of 48 %)",
    ),
    (
        wording.dominance_observation(
            **(LED | {"leaders": 2, "others_error": float("inf"), "skill": -0.001})
        ),
        "2 of 4 members dominate the ensemble (training error: those members at most 12 %, the "
        "median of the others not finite, ensemble 10 %; the median of the others has 0 % of the "
        "ensemble's skill, below the limit of 48 %)",
    ),
    (
        wording.dominance_observation(
            **(LED | {"leader_error": 0, "others_error": 0.01, "ensemble_error": 0.0008})
        ),
        "one member dominates the ensemble (training error: that member 0 %, the median of the "
        "others 1 %, ensemble 0.08 %; the median of the others has 21 % of the ensemble's skill, "
        "below the limit of 48 %)",
    ),
    (
        wording.codependence_observation(**WEAK),
        "no member performs well on its own (training error: median member 73 %, best member "
        "52 %, ensemble 10 %; the median member has 21 % of the ensemble's skill, below the limit "
        "of 48 %)",
    ),
    (
        wording.codependence_observation(**(WEAK | {"skill": 0.4797})),
        "no member performs well on its own (training error: median member 73 %, best member "
        "52 %, ensemble 10 %; the median member has 47.97 % of the ensemble's skill, below the "
        "limit of 48.00 %)",
    ),
    (wording.skill_advice(1.0), "Compare with λ = 0.9 or independent training." + MEASURE),
    (wording.skill_advice(None), "Compare with λ = 0.9 or independent training." + MEASURE),
    (
        wording.skill_advice(0.9),
        "Below λ = 1, members may still catch up: look at later epochs too. "
        "Compare with a smaller λ." + MEASURE,
    ),
    (
        wording.skill_advice(0.99),
        "Below λ = 1, members may still catch up: look at later epochs too. "
        "Compare with λ = 0.9 or independent training." + MEASURE,
    ),
    (wording.skill_advice(0.0), "Compare with larger members or longer training." + MEASURE),
    (
        wording.stagnation_observation(
            count=1, members=4, smallest=0.105, limit=0.46, best_skill=0.02
        ),
        "1 of 4 members has hardly moved from initialization and learned little: the smallest "
        "distance is 10 % of the median member's, below the limit of 46 %, with 2 % of the "
        "ensemble's skill",
    ),
    (
        wording.stagnation_observation(
            count=8, members=64, smallest=0.4599, limit=0.46, best_skill=-0.2
        ),
        "8 of 64 members have hardly moved from initialization and learned little: the smallest "
        "distance is 45.99 % of the median member's, below the limit of 46.00 %, with at most "
        "−20 % of the ensemble's skill",
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
        wording.diversity_observation(diversity=1.6814, ratio=0.73021, limit=0.73),
        "the diversity on the training set (mean member loss minus ensemble loss) is 1.68 nats, "
        "0.7302 times the chance-level loss and above the limit of 0.73",
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
        wording.increasing_loss_observation(lowest=0.5, after=4.0, ratio=1.737),
        "the training loss increased from 0.5 nats, its lowest value so far, to 4 nats, 1.74 times "
        "the chance-level loss",
    ),
    (
        wording.increasing_loss_observation(lowest=0.5, after=2.3026, ratio=1.0002),
        "the training loss increased from 0.5 nats, its lowest value so far, to 2.3 nats, 1.0002 "
        "times the chance-level loss",
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
    (
        wording.dead_rows_observation(
            module="layer1", count=1, members=1, share=0.0104, limit=0.01
        ),
        "module layer1 returns only zeros for 1.04 % of the training examples (limit 1.00 %): the "
        "layers after it cannot tell these apart, and they give it no gradient",
    ),
    (
        wording.dead_rows_observation(module="layer2", count=3, members=8, share=0.5, limit=0.01),
        "module layer2 returns only zeros in 3 of 8 members, for up to 50 % of the training "
        "examples (limit 1 %): the layers after it cannot tell these apart, and they give it no "
        "gradient",
    ),
    (
        wording.dead_rows_advice(),
        'Compare with members.norm = "batch", a lower train.lr, or wider layers.',
    ),
    (
        wording.stagnant_module_observation(
            module="layer3",
            before="layer2",
            error=0.0741,
            error_before=0.0739,
            excess=3.04,
            limit=3,
        ),
        "module layer3 is no better than module layer2 before it: the training error of its local "
        "head is 7.41 %, and that of the other 7.39 % (a difference of 3.04 standard errors, above "
        "the limit of 3.00)",
    ),
    (
        wording.stagnant_module_advice(),
        "Compare with fewer or wider layers, or with a larger modules.mu. Measure what each layer "
        "knows with the probe layers.",
    ),
    (
        wording.synthetic_useless_observation(
            module="layer1", highest=-1.456, limit=0.05, epochs=8, error=0.1
        ),
        "the synthetic gradients of module layer1 explain nothing of the gradients that they "
        "predict: R² was at most −1.46 in the last 8 epochs, below the limit of 0.05, and the "
        "ensemble's training error is 10 %",
    ),
    (
        wording.synthetic_useless_advice(),
        "Measure with the probe credit whether they have the right direction at least. Compare "
        "with modules.label = true, another modules.auxiliary_rate, a lower train.lr, or a larger "
        "modules.mu.",
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
