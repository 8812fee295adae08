import inspect

import pytest

from jtdiag.stats import Interval
from jtdiag_probes.robustness import wording

NAN = float("nan")


def alone(mean):
    """A mean without an interval, as of one trial."""
    return Interval(mean, NAN, NAN)


ACCURACY, FALL = Interval(0.877, 0.873, 0.881), Interval(0.008, 0.007, 0.009)
OTHERS = ("zero", "scaled", "stuck", "random", "noisy")
WORST = "in the worst case, losing 3 members costs 2.00 points"
SENTENCES = [
    (
        wording.tolerance(0.9, 16, 11, accuracy=ACCURACY, fall=FALL, worst=WORST, trials=5),
        "λ = 0.9: the ensemble tolerates losing 11 of 16 members at random: test accuracy, 87.7 % "
        "(95 % interval 87.3 to 88.1 %) with all members, then drops by 0.80 points (95 % interval "
        "0.70 to 0.90 points), less than 1 point; in the worst case, losing 3 members costs 2.00 "
        "points.",
    ),
    (
        wording.tolerance(1.0, 2, 1, accuracy=alone(0.9), fall=alone(0.003), worst=WORST, trials=1),
        "λ = 1: in one trial, the ensemble tolerates losing 1 of 2 members at random: test "
        "accuracy, 90.0 % with all members, then drops by 0.30 points, less than 1 point; in the "
        "worst case, losing 3 members costs 2.00 points.",
    ),
    (
        wording.no_tolerance(0.9, 3, fall=Interval(0.1, 0.08, 0.12), worst=WORST, trials=3),
        "λ = 0.9: the ensemble does not tolerate losing even one of 3 members at random: one "
        "missing member costs 10.00 points (95 % interval 8.00 to 12.00 points) of test accuracy "
        "on average; in the worst case, losing 3 members costs 2.00 points.",
    ),
    (
        wording.no_tolerance(0.9, 3, fall=alone(0.1), worst=WORST, trials=1),
        "λ = 0.9: in one trial, the ensemble does not tolerate losing even one of 3 members at "
        "random: one missing member costs 10.00 points of test accuracy on average; in the worst "
        "case, losing 3 members costs 2.00 points.",
    ),
    (
        wording.untested_tolerance(
            0.9, 3, fall=Interval(0.008, -0.03, 0.046), above=1, worst=WORST, trials=2
        ),
        "λ = 0.9: 2 trials do not show whether losing one of 3 members at random costs more or "
        "less than 1 point of test accuracy: it costs 0.80 points (95 % interval −3.00 to 4.60 "
        "points) on average, more than 1 point in 1 of 2 trials; in the worst case, losing 3 "
        "members costs 2.00 points.",
    ),
    (
        wording.worst_case(1, Interval(0.03, 0.02, 0.04), exact=True),
        "in the worst case, losing 1 member costs 3.00 points (95 % interval 2.00 to 4.00 points)",
    ),
    (
        wording.worst_case(3, alone(0.03), exact=False),
        "in the worst case found by a greedy search, losing 3 members costs 3.00 points",
    ),
    (
        wording.no_worst_case(1, exact=True),
        "in the worst case, losing 1 member costs less than 1 point on average",
    ),
    (
        wording.tolerance_headline(0.9, 4, 2, worst=1, exact=True, trials=3),
        "the ensemble tolerates losing 2 of 4 members at random (1 in the worst case) at λ = 0.9",
    ),
    (
        wording.tolerance_headline(0.9, 16, 11, worst=2, exact=False, trials=1),
        "in one trial, the ensemble tolerates losing 11 of 16 members at random (at most 2 in the "
        "worst case) at λ = 0.9",
    ),
    (
        wording.no_tolerance_headline(0.9, 4, 0.032),
        "losing one of 4 members costs 3.20 points of accuracy at λ = 0.9",
    ),
    (
        wording.untested_tolerance_headline(0.9, 4, 2),
        "2 trials do not show whether one of 4 members can be missing at λ = 0.9",
    ),
    (wording.left_out(0, 0, 5), ""),
    (wording.left_out(1, 0, 5), " Left out: 1 of 5 trials (diverged)."),
    (
        wording.left_out(1, 2, 5),
        " Left out: 1 of 5 trials (diverged) and 2 of 5 trials (nothing learned).",
    ),
    (
        wording.nothing_learned(1.0, 0.112, 0.104),
        "λ = 1: robustness to missing members is not judged, because nothing has been learned: "
        "test accuracy with all members, 11.2 %, is not significantly above the frequency of the "
        "most frequent class, 10.4 %.",
    ),
    (
        wording.nothing_learned_headline(1.0),
        "nothing has been learned at λ = 1, so no member can be missed",
    ),
    (
        wording.all_diverged(1.0, 1),
        "λ = 1: robustness to missing members is not judged: its only trial diverged.",
    ),
    (
        wording.all_diverged(1.0, 3),
        "λ = 1: robustness to missing members is not judged: all 3 trials diverged.",
    ),
    (
        wording.single_member(),
        "Robustness to missing members is not defined for a single member.",
    ),
    (
        wording.brittle(0.9, 3, fall=0.1, limit=0.05, count=2, trials=3),
        "λ = 0.9, in 2 of 3 trials: losing one of 3 members at random costs more than 5 points of "
        "test accuracy, 10.00 points on average. Keep all members in use, or train with a smaller "
        "λ.",
    ),
    (
        wording.brittle(0.0, 3, fall=0.1, limit=0.05, count=1, trials=1),
        "λ = 0, in 1 of 1 trial: losing one of 3 members at random costs more than 5 points of "
        "test accuracy, 10.00 points on average. Keep all members in use.",
    ),
    (
        wording.codependence(0.9, 16, 8, ratio=Interval(1.002, 0.99, 1.12), limit=1.1, trials=3),
        "λ = 0.9: with 8 of 16 members missing at random, the test loss is 1.002 (95 % interval "
        "0.990 to 1.120) times the loss predicted from the members' diversity.",
    ),
    (
        wording.codependence(1.0, 3, 1, ratio=Interval(1.5, 1.4, 1.6), limit=1.1, trials=3),
        "λ = 1: with 1 of 3 members missing at random, the test loss is 1.500 (95 % interval 1.400 "
        "to 1.600) times the loss predicted from the members' diversity, above the limit of 1.1: "
        "the members depend on each other more than their diversity explains.",
    ),
    (
        wording.codependence(1.0, 3, 1, ratio=alone(1.5), limit=1.1, trials=1),
        "λ = 1: in one trial, with 1 of 3 members missing at random, the test loss is 1.500 times "
        "the loss predicted from the members' diversity.",
    ),
    *(
        (
            wording.faults(0.9, 3, fault, fall=alone(0.2694), similar=(), trials=1),
            "λ = 0.9: in one trial, if one of 3 members is faulty, test accuracy drops most with "
            f"{words}, by 26.94 points.",
        )
        for fault, words in (
            ("zero", "all-zero logits"),
            ("scaled", "logits multiplied by 10"),
            ("flipped", "logits with the sign flipped"),
            ("stuck", "logits stuck at those of one example"),
            ("random", "random logits"),
            ("noisy", "noisy logits"),
        )
    ),
    (
        wording.faults(0.9, 3, "flipped", fall=Interval(0.27, 0.26, 0.28), similar=(), trials=3),
        "λ = 0.9: if one of 3 members is faulty, test accuracy drops most with logits with the "
        "sign flipped, by 27.00 points (95 % interval 26.00 to 28.00 points); this is "
        "significantly more than with each of the other simulated faults.",
    ),
    (
        wording.faults(0.9, 3, "flipped", fall=alone(0.27), similar=OTHERS, trials=2),
        "λ = 0.9: if one of 3 members is faulty, test accuracy drops most with logits with the "
        "sign flipped, by 27.00 points; this is not significantly more than with any other "
        "simulated fault.",
    ),
    (
        wording.faults(0.9, 3, "flipped", fall=alone(0.27), similar=("scaled", "random"), trials=2),
        "λ = 0.9: if one of 3 members is faulty, test accuracy drops most with logits with the "
        "sign flipped, by 27.00 points; this is not significantly more than with logits multiplied "
        "by 10 and random logits.",
    ),
    (
        wording.no_fault(0.9, 3, 0.0005),
        "λ = 0.9: none of the simulated faults in one of 3 members costs as much as 0.05 points of "
        "test accuracy on average.",
    ),
    (
        wording.bit_flips(0.9, 1e-6, 1e-4, 3),
        "λ = 0.9: random bit flips in the weights significantly lower test accuracy by 1 point or "
        "more from a probability of 1e-06 per bit; if members with extreme logits are excluded, "
        "from 1e-04 per bit.",
    ),
    (
        wording.bit_flips(0.9, 1e-6, None, 1),
        "λ = 0.9: in one trial, random bit flips in the weights lower test accuracy by 1 point or "
        "more from a probability of 1e-06 per bit; if members with extreme logits are excluded, at "
        "none of the probabilities tried.",
    ),
    (
        wording.bit_flips(0.9, None, 1e-3, 2),
        "λ = 0.9: random bit flips in the weights do not significantly lower test accuracy by 1 "
        "point at any probability tried; if members with extreme logits are excluded, from 1e-03 "
        "per bit.",
    ),
    (
        wording.bit_flips(0.9, None, None, 1),
        "λ = 0.9: in one trial, random bit flips in the weights do not lower test accuracy by 1 "
        "point at any probability tried.",
    ),
    (
        wording.partial(0.0, 16, 1, order="best-alone-first", parameters=25450.0, trials=3),
        "λ = 0: 1 of 16 members (25,450 of 407,200 parameters), evaluated in order of their "
        "individual error, comes within 1 point of the full ensemble's test accuracy. The "
        "remaining members add less than 1 point together: try fewer or wider members with the "
        "same parameter budget.",
    ),
    (
        wording.partial(0.9, 2, 1, order="random", parameters=None, trials=1),
        "λ = 0.9: in one trial, 1 of 2 members, evaluated in random order, comes within 1 point of "
        "the full ensemble's test accuracy. The other member adds less than 1 point: try fewer or "
        "wider members with the same parameter budget.",
    ),
    (
        wording.partial(0.9, 4, 3, order="greedy", parameters=None, trials=3),
        "λ = 0.9: 3 of 4 members, evaluated in a greedy order chosen on validation data, come "
        "within 1 point of the full ensemble's test accuracy. Most members are needed: keep this "
        "split of the budget, or try one larger network.",
    ),
    (
        wording.partial(1.0, 3, 3, order="random", parameters=33.0, trials=3),
        "λ = 1: all 3 members (99 parameters) are needed to come within 1 point of the full "
        "ensemble's test accuracy. Most members are needed: keep this split of the budget, or try "
        "one larger network.",
    ),
    (
        wording.untested_partial(1.0, 3, 2),
        "λ = 1: 2 trials do not show whether fewer than all 3 members come within 1 point of the "
        "full ensemble's test accuracy.",
    ),
    (
        wording.worth(0.9, 3, value=Interval(0.281, 0.27, 0.292), total=0.5, exact=True, trials=2),
        "λ = 0.9: the most valuable member contributes 28.10 points (95 % interval 27.00 to 29.20 "
        "points) of test accuracy (exact Shapley value), 56.2 % of the total of 3 members; an "
        "equal share is 33.3 %.",
    ),
    (
        wording.worth(0.9, 16, value=alone(0.9), total=0.5, exact=False, trials=1),
        "λ = 0.9: in one trial, the most valuable member contributes 90.00 points of test accuracy "
        "(Shapley value, estimated from random orders), more than the total of 16 members, 50.00 "
        "points, because others lower test accuracy.",
    ),
    (
        wording.no_worth(0.9, 3, exact=True, trials=1),
        "λ = 0.9: in one trial, no member's exact Shapley value of test accuracy is significantly "
        "above an equal share, 33.3 % of the total (t test over test examples).",
    ),
    (
        wording.no_worth(0.9, 16, exact=False, trials=2),
        "λ = 0.9: no member's Shapley value of test accuracy is significantly above an equal "
        "share, 6.2 % of the total (t test over orders of the members in each of 2 trials).",
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
