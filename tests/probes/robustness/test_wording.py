import inspect

import pytest

from jtdiag_probes.robustness import wording

NAN = float("nan")
TOLERANCE = {"accuracy": 0.877, "accuracy_se": 0.002, "fraction": 0.743, "fraction_se": 0.007}
SENTENCES = [
    (
        wording.tolerance(0.9, 16, 11, **TOLERANCE, worst=3),
        "λ = 0.9: the ensemble tolerates losing 11 of 16 members at random: test accuracy, 87.7 ± "
        "0.2 % with all members, drops by 1 point when 74.3 ± 0.7 % of the members are missing; in "
        "the worst case found, losing 3 members is enough for 1 point.",
    ),
    (
        wording.tolerance(
            1.0, 4, 1, accuracy=0.9, accuracy_se=NAN, fraction=0.3, fraction_se=NAN, worst=1
        ),
        "λ = 1: the ensemble tolerates losing 1 of 4 members at random: test accuracy, 90.0 % with "
        "all members, drops by 1 point when 30.0 % of the members are missing; in the worst case "
        "found, losing 1 member is enough for 1 point.",
    ),
    (
        wording.tolerance(
            0.0, 2, 1, accuracy=0.9, accuracy_se=NAN, fraction=0.5, fraction_se=NAN, worst=None
        ),
        "λ = 0: the ensemble tolerates losing 1 of 2 members at random: test accuracy, 90.0 % with "
        "all members, drops by less than 1 point.",
    ),
    (
        wording.no_tolerance(0.9, 3, 0.1),
        "λ = 0.9: the ensemble does not tolerate losing even one of 3 members at random: one "
        "missing member costs 10.00 points of test accuracy on average.",
    ),
    (
        wording.tolerance_headline(0.9, 4, 2),
        "the ensemble tolerates losing 2 of 4 members at λ = 0.9",
    ),
    (
        wording.no_tolerance_headline(0.9, 4, 0.032),
        "losing one of 4 members costs 3.20 points of accuracy at λ = 0.9",
    ),
    (
        wording.brittle(0.9, 3, fall=0.1, worst=0.2, alert=True),
        "λ = 0.9: losing one of 3 members costs 10.00 points of test accuracy on average and 20.00 "
        "points in the worst case found. Keep all members in use, or train with a smaller λ.",
    ),
    (
        wording.brittle(0.0, 3, fall=0.1, worst=0.2, alert=True),
        "λ = 0: losing one of 3 members costs 10.00 points of test accuracy on average and 20.00 "
        "points in the worst case found. Keep all members in use.",
    ),
    (
        wording.brittle(0.9, 3, fall=0.02, worst=0.04, alert=False),
        "λ = 0.9: losing one of 3 members costs 2.00 points of test accuracy on average and 4.00 "
        "points in the worst case found.",
    ),
    (
        wording.codependence(0.9, 16, 8, ratio=1.002, se=0.006, limit=1.1),
        "λ = 0.9: with 8 of 16 members missing at random, the test loss is 1.002 ± 0.006 times the "
        "loss predicted from the members' diversity.",
    ),
    (
        wording.codependence(1.0, 3, 1, ratio=1.5, se=NAN, limit=1.1),
        "λ = 1: with 1 of 3 members missing at random, the test loss is 1.500 times the loss "
        "predicted from the members' diversity, above the limit of 1.1: the members depend on each "
        "other more than their diversity explains.",
    ),
    *(
        (
            wording.faults(0.9, 3, fault, fall=0.2694, zero=0.0619),
            f"λ = 0.9: if one of 3 members is faulty, {words} cost most: 26.94 points of test "
            "accuracy (all-zero logits: 6.19 points).",
        )
        for fault, words in (
            ("scaled", "logits multiplied by 10"),
            ("flipped", "logits with the sign flipped"),
            ("stuck", "logits stuck at those of one example"),
            ("random", "random logits"),
            ("noisy", "noisy logits"),
        )
    ),
    (
        wording.faults(0.9, 3, "zero", fall=0.0619, zero=0.0619),
        "λ = 0.9: if one of 3 members is faulty, all-zero logits cost most: 6.19 points of test "
        "accuracy.",
    ),
    (
        wording.no_fault(0.9, 3, 0.0005),
        "λ = 0.9: none of the simulated faults in one of 3 members costs as much as 0.05 points of "
        "test accuracy.",
    ),
    (
        wording.bit_flips(0.9, 1e-6, 1e-4),
        "λ = 0.9: random bit flips in the weights lower test accuracy by 1 point at a probability "
        "of 1e-06 per bit; if members with extreme logits are excluded, at 1e-04 per bit.",
    ),
    (
        wording.bit_flips(0.9, 1e-6, None),
        "λ = 0.9: random bit flips in the weights lower test accuracy by 1 point at a probability "
        "of 1e-06 per bit; if members with extreme logits are excluded, at none of the "
        "probabilities tried.",
    ),
    (
        wording.bit_flips(0.9, None, 1e-3),
        "λ = 0.9: random bit flips in the weights do not lower test accuracy by 1 point at any "
        "probability tried; if members with extreme logits are excluded, at 1e-03 per bit.",
    ),
    (
        wording.bit_flips(0.9, None, None),
        "λ = 0.9: random bit flips in the weights do not lower test accuracy by 1 point at any "
        "probability tried.",
    ),
    (
        wording.partial(0.0, 16, 1, order="best-alone-first", parameters=25450.0),
        "λ = 0: 1 of 16 members (25,450 of 407,200 parameters), evaluated in order of their "
        "individual error, comes within 1 point of the full ensemble's test accuracy. The "
        "remaining members add less than 1 point together: try fewer or wider members with the "
        "same parameter budget.",
    ),
    (
        wording.partial(0.9, 4, 3, order="greedy", parameters=None),
        "λ = 0.9: 3 of 4 members, evaluated in a greedy order chosen on validation data, come "
        "within 1 point of the full ensemble's test accuracy. Most members are needed: keep this "
        "split of the budget, or try one larger network.",
    ),
    (
        wording.partial(0.9, 4, 2, order="random", parameters=None),
        "λ = 0.9: 2 of 4 members, evaluated in random order, come within 1 point of the full "
        "ensemble's test accuracy. The remaining members add less than 1 point together: try fewer "
        "or wider members with the same parameter budget.",
    ),
    (
        wording.partial(1.0, 3, 3, order="random", parameters=33.0),
        "λ = 1: all 3 members (99 parameters) are needed to come within 1 point of the full "
        "ensemble's test accuracy. Most members are needed: keep this split of the budget, or try "
        "one larger network.",
    ),
    (
        wording.worth(0.9, 3, value=0.281, se=0.021, share=0.57, trials=2),
        "λ = 0.9: the most valuable member contributes 28.1 ± 2.1 points of test accuracy (Shapley "
        "value ± SE over member orders, mean of 2 trials), 57.0 % of the total of 3 members; an "
        "equal share is 33.3 %.",
    ),
    (
        wording.worth(0.9, 16, value=0.057, se=0.002, share=0.073, trials=1),
        "λ = 0.9: the most valuable member contributes 5.7 ± 0.2 points of test accuracy (Shapley "
        "value ± SE over member orders), 7.3 % of the total of 16 members; an equal share is "
        "6.2 %.",
    ),
    (
        wording.no_worth(0.9, 3, 1),
        "λ = 0.9: no member's Shapley value is significantly above an equal share, 33.3 % of the "
        "total (t test).",
    ),
    (
        wording.no_worth(0.9, 3, 2),
        "λ = 0.9: no member's Shapley value is consistently above an equal share, 33.3 % of the "
        "total (t test in each of 2 trials).",
    ),
    (
        wording.residual(0.02, 1e-3),
        "Self-test failed: test accuracies computed from stored outputs and from stored metrics "
        "differ by 0.02 (limit 0.001). Do not trust the numbers of this run; check its store.",
    ),
    (
        wording.nothing_kept(),
        "Robustness was not measured: the run stores no outputs for the test split (see "
        "keep.outputs and keep.splits in its recipe).",
    ),
    (
        wording.without_bit_flips("data/toy.npz does not exist."),
        "Bit flips and the cost of one member were not measured: data/toy.npz does not exist.",
    ),
    (wording.points(-0.0123), "−1.23 points"),
    (wording.points(-0.00001), "0.00 points"),
]


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES)
def test_each_sentence_reads_as_written_here(sentence, expected):
    assert sentence == expected
    assert not any(part in sentence for part in ("nan", "inf", "  ", " ."))


def test_every_public_function_is_read_here():
    source = inspect.getsource(inspect.getmodule(test_each_sentence_reads_as_written_here))
    public = [
        name
        for name, value in vars(wording).items()
        if inspect.isfunction(value)
        and value.__module__ == wording.__name__
        and not name.startswith("_")
    ]
    assert [name for name in public if f"wording.{name}(" not in source] == []
