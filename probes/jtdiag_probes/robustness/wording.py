"""Sentences of the robustness probe."""

import math
from collections.abc import Sequence

from jtdiag.names import lam_text
from jtdiag.stats import Interval, listed, with_interval

FAULTS = {
    "zero": "all-zero logits",
    "scaled": "logits multiplied by 10",
    "flipped": "logits with the sign flipped",
    "stuck": "logits stuck at those of one example",
    "random": "random logits",
    "noisy": "noisy logits",
}
"""Description of each simulated fault."""
ORDERS = {
    "random": "in random order",
    "best-alone-first": "in order of their individual error",
    "greedy": "in a greedy order chosen on validation data",
}
"""Description of each order in which members are evaluated."""


def tolerance(
    lam: float,
    members: int,
    tolerated: int,
    *,
    accuracy: Interval,
    fall: Interval,
    worst: str,
    trials: int,
) -> str:
    """Return how many members can be missing before test accuracy drops by 1 point.

    Args:
        lam: λ.
        members: Ensemble size, M.
        tolerated: Number of members that can be missing, 1 to M−1.
        accuracy: Test accuracy with all members, 0 to 1.
        fall: Loss of test accuracy with that many members missing.
        worst: Of `worst_case` or `no_worst_case`.
        trials: Number of trials.
    """
    percent = with_interval(accuracy.within(-math.inf, 1).scaled(100), ".1f", "%")
    return (
        f"λ = {lam_text(lam)}: {_in_one(trials)}the ensemble tolerates losing {tolerated} of "
        f"{members} "
        f"members at random: test accuracy, {percent} with all members, then drops by "
        f"{_points(fall)}, less than 1 point; {worst}."
    )


def no_tolerance(lam: float, members: int, *, fall: Interval, worst: str, trials: int) -> str:
    """Return that a single missing member costs 1 point of test accuracy or more."""
    return (
        f"λ = {lam_text(lam)}: {_in_one(trials)}the ensemble does not tolerate losing even one of "
        f"{members} members at random: one missing member costs {_points(fall)} of test accuracy "
        f"on average; {worst}."
    )


def untested_tolerance(
    lam: float, members: int, *, fall: Interval, above: int, worst: str, trials: int
) -> str:
    """Return that the trials do not show whether one missing member costs 1 point.

    Args:
        lam: λ.
        members: Ensemble size.
        fall: Loss of test accuracy with one member missing.
        above: Number of trials in which it costs more than 1 point.
        worst: Of `worst_case` or `no_worst_case`.
        trials: Number of trials.
    """
    return (
        f"λ = {lam_text(lam)}: {trials} trials do not show whether losing one of {members} "
        "members at "
        f"random costs more or less than 1 point of test accuracy: it costs {_points(fall)} on "
        f"average, more than 1 point in {above} of {trials} trials; {worst}."
    )


def worst_case(missing: int, fall: Interval, *, exact: bool) -> str:
    """Return the smallest number of missing members that costs 1 point in the worst case.

    Args:
        missing: That number.
        fall: Loss of test accuracy in the worst case, 0 to 1.
        exact: Whether all subsets were evaluated.
    """
    return f"{_worst(exact)}, losing {missing} {_noun(missing)} costs {_points(fall)}"


def no_worst_case(missing: int, *, exact: bool) -> str:
    """Return that losing all members but one costs less than 1 point in the worst case."""
    return f"{_worst(exact)}, losing {missing} {_noun(missing)} costs less than 1 point on average"


def _worst(exact: bool) -> str:
    return "in the worst case" if exact else "in the worst case found by a greedy search"


def tolerance_headline(
    lam: float, members: int, tolerated: int, *, worst: int, exact: bool, trials: int
) -> str:
    """Return the finding "tolerance" in a few words.

    Args:
        lam: λ.
        members: Ensemble size.
        tolerated: Number of members that can be missing at random.
        worst: The same in the worst case.
        exact: Whether all subsets were evaluated.
        trials: Number of trials.
    """
    bound = f"{worst} in the worst case" if exact else f"at most {worst} in the worst case"
    return (
        f"{_in_one(trials)}the ensemble tolerates losing {tolerated} of {members} members at "
        f"random ({bound}) at λ = {lam_text(lam)}"
    )


def no_tolerance_headline(lam: float, members: int, fall: float) -> str:
    """Return the finding "tolerance" in a few words where no loss is tolerated."""
    return (
        f"losing one of {members} members costs {points(fall)} of accuracy at λ = {lam_text(lam)}"
    )


def untested_tolerance_headline(lam: float, members: int, trials: int) -> str:
    """Return the finding "tolerance" in a few words where it cannot be told."""
    return (
        f"{trials} trials do not show whether one of {members} members can be missing at "
        f"λ = {lam_text(lam)}"
    )


def left_out(diverged: int, at_chance: int, trials: int) -> str:
    """Return how many trials were not judged, and why; "" for none.

    Args:
        diverged: Trials whose loss is not finite.
        at_chance: Trials that are not significantly better than the most frequent class.
        trials: Number of all measured trials.
    """
    reasons = [
        f"{count} of {trials} trials ({reason})"
        for count, reason in ((diverged, "diverged"), (at_chance, "nothing learned"))
        if count
    ]
    return f" Left out: {listed(reasons)}." if reasons else ""


def nothing_learned(lam: float, accuracy: float, most_frequent: float) -> str:
    """Return that robustness is not judged because the ensemble is at chance.

    Args:
        lam: λ.
        accuracy: Test accuracy with all members, 0 to 1.
        most_frequent: Fraction of the most frequent class.
    """
    return (
        f"λ = {lam_text(lam)}: robustness to missing members is not judged, because nothing has "
        "been "
        f"learned: test accuracy with all members, {100 * accuracy:.1f} %, is not significantly "
        f"above the frequency of the most frequent class, {100 * most_frequent:.1f} %."
    )


def nothing_learned_headline(lam: float) -> str:
    """Return the finding "nothing-learned" in a few words."""
    return f"nothing has been learned at λ = {lam_text(lam)}, so no member can be missed"


def all_diverged(lam: float, trials: int) -> str:
    """Return that robustness is not judged because every trial has diverged."""
    where = "its only trial" if trials == 1 else f"all {trials} trials"
    return f"λ = {lam_text(lam)}: robustness to missing members is not judged: {where} diverged."


def single_member() -> str:
    """Return that a single member cannot be missing."""
    return "Robustness to missing members is not defined for a single member."


def brittle(lam: float, members: int, *, fall: float, limit: float, count: int, trials: int) -> str:
    """Return in how many trials a single missing member costs more than the limit, with advice.

    Args:
        lam: λ.
        members: Ensemble size.
        fall: Loss of test accuracy, mean over members and these trials, 0 to 1.
        limit: Limit on that loss.
        count: Number of these trials.
        trials: Number of all trials.
    """
    advice = "Keep all members in use" + (", or train with a smaller λ." if lam else ".")
    return (
        f"λ = {lam_text(lam)}, in {count} of {trials} trial{'' if trials == 1 else 's'}: losing "
        "one of "
        f"{members} members at random costs more than {100 * limit:g} points of test accuracy, "
        f"{points(fall)} on average. {advice}"
    )


def codependence(
    lam: float, members: int, missing: int, *, ratio: Interval, limit: float, trials: int
) -> str:
    """Return the loss with half of the members missing, relative to the predicted loss."""
    above = (
        f", above the limit of {limit:g}: the members depend on each other more than their "
        "diversity explains"
        if ratio.exists and ratio.low > limit
        else ""
    )
    return (
        f"λ = {lam_text(lam)}: {_in_one(trials)}with {missing} of {members} members missing at "
        "random, the "
        f"test loss is {with_interval(ratio, '.3f')} times the loss predicted from the members' "
        f"diversity{above}."
    )


def faults(
    lam: float, members: int, worst: str, *, fall: Interval, similar: Sequence[str], trials: int
) -> str:
    """Return which simulated fault of one member costs most.

    Args:
        lam: λ.
        members: Ensemble size.
        worst: Name of the fault, a key of `FAULTS`.
        fall: Loss of test accuracy under that fault, 0 to 1.
        similar: Names of faults that do not cost significantly less.
        trials: Number of trials.
    """
    compared = "significantly more than with each of the other simulated faults"
    if len(similar) == len(FAULTS) - 1:
        compared = "not significantly more than with any other simulated fault"
    elif similar:
        names = listed([FAULTS[name] for name in similar])
        compared = f"not significantly more than with {names}"
    comparison = f"; this is {compared}" if trials > 1 else ""
    return (
        f"λ = {lam_text(lam)}: {_in_one(trials)}if one of {members} members is faulty, test "
        "accuracy drops "
        f"most with {FAULTS[worst]}, by {_points(fall)}{comparison}."
    )


def no_fault(lam: float, members: int, noticed: float) -> str:
    """Return that every simulated fault of one member costs less than `noticed`, 0 to 1."""
    return (
        f"λ = {lam_text(lam)}: none of the simulated faults in one of {members} members costs "
        f"as much as {100 * noticed:g} points of test accuracy on average."
    )


def bit_flips(lam: float, rate: float | None, guarded: float | None, trials: int) -> str:
    """Return the bit-flip probability at which test accuracy drops by 1 point.

    Args:
        lam: λ.
        rate: Lowest such probability; None if there is none among those tried.
        guarded: The same when members with extreme logits are excluded.
        trials: Number of trials.
    """
    tested = "" if trials == 1 else "significantly "
    drop = (
        f"do not {tested}lower test accuracy by 1 point at any probability tried"
        if rate is None
        else f"{tested}lower test accuracy by 1 point or more from a probability of {rate:.0e} per "
        "bit"
    )
    drop_guarded = (
        "at none of the probabilities tried" if guarded is None else f"from {guarded:.0e} per bit"
    )
    excluding = (
        ""
        if rate is None and guarded is None
        else f"; if members with extreme logits are excluded, {drop_guarded}"
    )
    return (
        f"λ = {lam_text(lam)}: {_in_one(trials)}random bit flips in the weights {drop}{excluding}."
    )


def partial(
    lam: float, members: int, count: int, *, order: str, parameters: float | None, trials: int
) -> str:
    """Return how many members come within 1 point of all, with advice on the parameter budget.

    Args:
        lam: λ.
        members: Ensemble size.
        count: Number of members that are evaluated, 1 to M.
        order: Order in which members are chosen, a key of `ORDERS`.
        parameters: Trained parameters per member; None if not measured.
        trials: Number of trials.
    """
    if count == members:
        cost = "" if parameters is None else f" ({members * parameters:,.0f} parameters)"
        reach = (
            f"all {members} members{cost} are needed to come within 1 point of the full "
            "ensemble's test accuracy"
        )
    else:
        cost = (
            ""
            if parameters is None
            else f" ({count * parameters:,.0f} of {members * parameters:,.0f} parameters)"
        )
        reach = (
            f"{count} of {members} members{cost}, evaluated {ORDERS[order]}, "
            f"{'comes' if count == 1 else 'come'} within 1 point of the full ensemble's test "
            "accuracy"
        )
    return f"λ = {lam_text(lam)}: {_in_one(trials)}{reach}. {_budget_advice(count, members)}"


def untested_partial(lam: float, members: int, trials: int) -> str:
    """Return that the trials do not show whether fewer members come within 1 point of all."""
    return (
        f"λ = {lam_text(lam)}: {trials} trials do not show whether fewer than all {members} "
        "members come "
        "within 1 point of the full ensemble's test accuracy."
    )


def _budget_advice(count: int, members: int) -> str:
    if count <= members / 2:
        rest = (
            "The other member adds less than 1 point"
            if members - count == 1
            else "The remaining members add less than 1 point together"
        )
        return f"{rest}: try fewer or wider members with the same parameter budget."
    return "Most members are needed: keep this split of the budget, or try one larger network."


def worth(
    lam: float, members: int, *, value: Interval, total: float, exact: bool, trials: int
) -> str:
    """Return the Shapley value of the most valuable member, compared with an equal share.

    Args:
        lam: λ.
        members: Ensemble size.
        value: Mean over trials of the highest Shapley value of accuracy, 0 to 1.
        total: Mean over trials of the sum of all members' values, above 0.
        exact: Whether the values are exact.
        trials: Number of trials.
    """
    share = value.mean / total
    compared = (
        f"{100 * share:.1f} % of the total of {members} members; an equal share is "
        f"{_equal_share(members)}"
        if share <= 1
        else f"more than the total of {members} members, {points(total)}, because others lower "
        "test accuracy"
    )
    return (
        f"λ = {lam_text(lam)}: {_in_one(trials)}the most valuable member contributes "
        f"{_points(value)} of "
        f"test accuracy ({_values(exact)}), {compared}."
    )


def no_worth(lam: float, members: int, *, exact: bool, trials: int) -> str:
    """Return that no member's Shapley value is significantly above an equal share."""
    over = "test examples" if exact else "orders of the members"
    where = "" if trials == 1 else f" in each of {trials} trials"
    return (
        f"λ = {lam_text(lam)}: {_in_one(trials)}no member's {'exact ' if exact else ''}Shapley "
        "value of "
        f"test accuracy is significantly above an equal share, {_equal_share(members)} of the "
        f"total (t test over {over}{where})."
    )


def _values(exact: bool) -> str:
    return "exact Shapley value" if exact else "Shapley value, estimated from random orders"


def residual(difference: float, limit: float) -> str:
    """Return that accuracies from outputs and from metrics disagree."""
    return (
        "Self-test failed: test accuracies computed from stored outputs and from stored metrics "
        f"differ by {difference:.2g} (limit {limit:.0g}). Do not trust the numbers of this run; "
        "check its store."
    )


def nothing_kept() -> str:
    """Return that the run has no outputs to measure."""
    return (
        "Robustness was not measured: the run stores no outputs for the test split (see "
        "keep.outputs and keep.splits in its recipe)."
    )


def without_bit_flips(reason: str) -> str:
    """Return that bit flips and costs were not measured, and why."""
    return f"Bit flips and the cost of one member were not measured: {reason.rstrip('.')}."


def points(fall: float) -> str:
    """Return a loss of accuracy, 0 to 1, in percentage points: "1.00 points"."""
    return f"{round(100 * fall, 2) + 0.0:.2f} points".replace("-", "−")


def _points(fall: Interval) -> str:
    rounded = Interval(*(round(100 * end, 2) + 0.0 for end in fall))
    return with_interval(rounded, ".2f", "points")


def _noun(count: int) -> str:
    return "member" if count == 1 else "members"


def _equal_share(members: int) -> str:
    return f"{100 / members:.1f} %"


def _in_one(trials: int) -> str:
    return "in one trial, " if trials == 1 else ""
