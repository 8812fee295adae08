"""Sentences of the robustness probe."""

from jtdiag.stats import plus_minus

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
    accuracy: float,
    accuracy_se: float,
    fraction: float,
    fraction_se: float,
    worst: int | None,
) -> str:
    """Return how many members can be missing before test accuracy drops by 1 point.

    Args:
        lam: λ.
        members: Ensemble size, M.
        tolerated: Number of members that can be missing, 1 to M−1.
        accuracy: Test accuracy with all members, 0 to 1.
        accuracy_se: Its standard error over trials; NaN for one trial.
        fraction: Fraction of members missing at a drop of 1 point; (M−1)/M where there is none.
        fraction_se: Its standard error over trials; NaN for one trial.
        worst: Smallest number of missing members that costs 1 point in the worst case found;
            None if no number does.
    """
    accuracy_text = plus_minus(100 * accuracy, 100 * accuracy_se, ".1f", "%")
    drop = (
        "drops by less than 1 point"
        if tolerated == members - 1
        else "drops by 1 point when "
        f"{plus_minus(100 * fraction, 100 * fraction_se, '.1f', '%')} of the members are missing"
    )
    worst_case = (
        ""
        if worst is None
        else f"; in the worst case found, losing {worst} {_members(worst)} is enough for 1 point"
    )
    return (
        f"λ = {lam:g}: the ensemble tolerates losing {tolerated} of {members} members at random: "
        f"test accuracy, {accuracy_text} with all members, {drop}{worst_case}."
    )


def no_tolerance(lam: float, members: int, fall: float) -> str:
    """Return that a single missing member costs 1 point of test accuracy or more."""
    return (
        f"λ = {lam:g}: the ensemble does not tolerate losing even one of {members} members at "
        f"random: one missing member costs {points(fall)} of test accuracy on average."
    )


def tolerance_headline(lam: float, members: int, tolerated: int) -> str:
    """Return the finding "tolerance" in a few words."""
    return f"the ensemble tolerates losing {tolerated} of {members} members at λ = {lam:g}"


def no_tolerance_headline(lam: float, members: int, fall: float) -> str:
    """Return the finding "tolerance" in a few words where no loss is tolerated."""
    return f"losing one of {members} members costs {points(fall)} of accuracy at λ = {lam:g}"


def brittle(lam: float, members: int, *, fall: float, worst: float, alert: bool) -> str:
    """Return what a single missing member costs, with advice if that is an alert.

    Args:
        lam: λ.
        members: Ensemble size.
        fall: Loss of test accuracy on average, 0 to 1.
        worst: The same in the worst case found.
        alert: Whether the average exceeds the limit.
    """
    advice = ""
    if alert:
        advice = " Keep all members in use" + (", or train with a smaller λ." if lam else ".")
    return (
        f"λ = {lam:g}: losing one of {members} members costs {points(fall)} of test accuracy on "
        f"average and {points(worst)} in the worst case found.{advice}"
    )


def codependence(
    lam: float, members: int, missing: int, *, ratio: float, se: float, limit: float
) -> str:
    """Return the loss with half of the members missing, relative to the predicted loss."""
    above = (
        f", above the limit of {limit:g}: the members depend on each other more than their "
        "diversity explains"
        if ratio > limit
        else ""
    )
    return (
        f"λ = {lam:g}: with {missing} of {members} members missing at random, the test loss is "
        f"{plus_minus(ratio, se, '.3f')} times the loss predicted from the members' "
        f"diversity{above}."
    )


def faults(lam: float, members: int, worst: str, *, fall: float, zero: float) -> str:
    """Return which simulated fault of one member costs most.

    Args:
        lam: λ.
        members: Ensemble size.
        worst: Name of the fault, a key of `FAULTS`.
        fall: Loss of test accuracy under that fault, 0 to 1.
        zero: The same for all-zero logits.
    """
    compared = "" if worst == "zero" else f" ({FAULTS['zero']}: {points(zero)})"
    return (
        f"λ = {lam:g}: if one of {members} members is faulty, {FAULTS[worst]} cost most: "
        f"{points(fall)} of test accuracy{compared}."
    )


def no_fault(lam: float, members: int, noticed: float) -> str:
    """Return that every simulated fault of one member costs less than `noticed`, 0 to 1."""
    return (
        f"λ = {lam:g}: none of the simulated faults in one of {members} members costs "
        f"as much as {100 * noticed:g} points of test accuracy."
    )


def bit_flips(lam: float, rate: float | None, guarded: float | None) -> str:
    """Return the bit-flip probability at which test accuracy drops by 1 point.

    Args:
        lam: λ.
        rate: Lowest such probability; None if there is none among those tried.
        guarded: The same when members with extreme logits are excluded.
    """
    drop = (
        "do not lower test accuracy by 1 point at any probability tried"
        if rate is None
        else f"lower test accuracy by 1 point at a probability of {rate:.0e} per bit"
    )
    drop_guarded = (
        "at none of the probabilities tried" if guarded is None else f"at {guarded:.0e} per bit"
    )
    excluding = (
        ""
        if rate is None and guarded is None
        else f"; if members with extreme logits are excluded, {drop_guarded}"
    )
    return f"λ = {lam:g}: random bit flips in the weights {drop}{excluding}."


def partial(lam: float, members: int, count: int, *, order: str, parameters: float | None) -> str:
    """Return how many members come within 1 point of all, with advice on the parameter budget.

    Args:
        lam: λ.
        members: Ensemble size.
        count: Number of members that are evaluated, 1 to M.
        order: Order in which members are chosen, a key of `ORDERS`.
        parameters: Trained parameters per member; None if not measured.
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
    return f"λ = {lam:g}: {reach}. {_budget_advice(count / members)}"


def _budget_advice(share: float) -> str:
    if share <= 0.5:
        return (
            "The remaining members add less than 1 point together: try fewer or wider members "
            "with the same parameter budget."
        )
    return "Most members are needed: keep this split of the budget, or try one larger network."


def worth(lam: float, members: int, *, value: float, se: float, share: float, trials: int) -> str:
    """Return the Shapley value of the most valuable member, compared with an equal share.

    Args:
        lam: λ.
        members: Ensemble size.
        value: Mean over trials of the highest Shapley value of accuracy, 0 to 1.
        se: Mean over trials of its standard error over member orders.
        share: Mean over trials of its share of the members' total.
        trials: Number of trials.
    """
    return (
        f"λ = {lam:g}: the most valuable member contributes "
        f"{plus_minus(100 * value, 100 * se, '.1f', 'points')} of test accuracy (Shapley value "
        f"± SE over member orders{_mean_of(trials)}), {100 * share:.1f} % of the total of "
        f"{members} members; an equal share is {_equal_share(members)}."
    )


def no_worth(lam: float, members: int, trials: int) -> str:
    """Return that no member's Shapley value is significantly above an equal share."""
    test = "" if trials == 1 else f" in each of {trials} trials"
    verdict = "significantly" if trials == 1 else "consistently"
    return (
        f"λ = {lam:g}: no member's Shapley value is {verdict} above an equal share, "
        f"{_equal_share(members)} of the total (t test{test})."
    )


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


def _members(count: int) -> str:
    return "member" if count == 1 else "members"


def _equal_share(members: int) -> str:
    return f"{100 / members:.1f} %"


def _mean_of(trials: int) -> str:
    return "" if trials == 1 else f", mean of {trials} trials"
