import numpy as np
import pytest

from jtdiag.probing.contract import Options
from jtdiag_probes.robustness.robustness import probe
from jtdiag_probes.robustness.verdict import judge


@pytest.fixture(scope="module")
def measured(toy):
    return probe.ask(toy, Options())


@pytest.fixture
def result(measured):
    """A result of two trials and three members at λ = 0.9 alone, to be changed."""
    result = measured.sel(lam=[0.9]).copy(deep=True)
    result["examples"][:] = 1000
    result["most_frequent_class"][:] = 0.4
    return result


def finding(result, rule):
    [match] = [finding for finding in judge(result) if finding.rule == rule]
    return match


def sentence(result, rule):
    return finding(result, rule).sentence.removeprefix("λ = 0.9: ")


def rules(result):
    return [finding.rule for finding in judge(result)]


def with_curves(result, shared, worst, spread=0.0001):
    """Set accuracies by members dropped; falls of the two trials differ by twice the spread."""
    for trial, sign in enumerate((-1, 1)):
        off = sign * spread * np.array([0, 1, 1])
        result["accuracy"][0, trial, 0] = np.array(shared) + off
        result["accuracy_worst"][0, trial] = np.array(worst) + off
    return result


# --- missing members ------------------------------------------------------------------------------


def test_tolerance_is_reported_for_random_losses_and_for_the_worst_case(result):
    result = with_curves(result, [0.9, 0.895, 0.85], [0.9, 0.87, 0.5])
    tolerance = finding(result, "tolerance")
    assert tolerance.level == "info"
    assert tolerance.sentence == (
        "λ = 0.9: the ensemble tolerates losing 1 of 3 members at random: test accuracy, 90.0 % "
        "with all members, then drops by 0.50 points (95 % interval 0.37 to 0.63 points), less "
        "than 1 point; in the worst case, losing 1 member costs 3.00 points (95 % interval 2.87 to "
        "3.13 points)."
    )
    assert tolerance.headline == (
        "the ensemble tolerates losing 1 of 3 members at random (0 in the worst case) at λ = 0.9"
    )
    assert "brittle" not in rules(result)


def test_the_worst_case_of_a_search_is_called_that(result):
    result = with_curves(result, [0.9, 0.895, 0.85], [0.9, 0.895, 0.5])
    result.attrs["exact"] = 0
    tolerance = finding(result, "tolerance")
    assert "in the worst case found by a greedy search, losing 2 members" in tolerance.sentence
    assert "(at most 1 in the worst case)" in tolerance.headline


def test_where_one_member_is_enough_all_others_can_be_missing(result):
    result = with_curves(result, [0.9, 0.9, 0.895], [0.9, 0.9, 0.895])
    assert "tolerates losing 2 of 3 members at random" in sentence(result, "tolerance")
    assert sentence(result, "tolerance").endswith(
        "in the worst case, losing 2 members costs less than 1 point on average."
    )


def test_a_loss_that_the_trials_do_not_pin_down_is_no_tolerance_and_no_lack_of_it(result):
    result = with_curves(result, [0.9, 0.895, 0.85], [0.9, 0.895, 0.85], spread=0.004)
    tolerance = finding(result, "tolerance")
    assert "2 trials do not show whether losing one of 3 members" in tolerance.sentence
    assert "on average, more than 1 point in 0 of 2 trials;" in tolerance.sentence
    assert "do not show" in tolerance.headline


def test_the_values_of_a_single_trial_are_reported_as_such(result):
    result = with_curves(result, [0.9, 0.895, 0.85], [0.9, 0.895, 0.85]).isel(trial=[0])
    assert sentence(result, "tolerance").startswith(
        "in one trial, the ensemble tolerates losing 1 of 3 members at random: test accuracy, "
        "90.0 % with all members, then drops by 0.51 points, less than 1 point;"
    )


def test_a_missing_member_that_costs_much_is_an_alert(result):
    result = with_curves(result, [0.9, 0.8, 0.5], [0.9, 0.7, 0.2])
    brittle = finding(result, "brittle")
    assert (brittle.level, brittle.limit) == ("alert", 0.05)
    assert brittle.number == pytest.approx(0.1)
    assert brittle.sentence == (
        "λ = 0.9, in 2 of 2 trials: losing one of 3 members at random costs more than 5 points of "
        "test accuracy, 10.00 points on average. Keep all members in use, or train with a smaller "
        "λ."
    )
    assert brittle.trials == (0, 1)
    assert "does not tolerate losing even one of 3 members" in sentence(result, "tolerance")
    headline = finding(result, "tolerance").headline
    assert headline == "losing one of 3 members costs 10.00 points of accuracy at λ = 0.9"


def test_the_trials_in_which_a_missing_member_costs_much_are_named(result):
    result = with_curves(result, [0.9, 0.85, 0.5], [0.9, 0.7, 0.2], spread=0.01)
    brittle = finding(result, "brittle")
    assert brittle.trials == (0,)
    assert brittle.sentence.startswith("λ = 0.9, in 1 of 2 trials: losing one of 3 members")
    assert "6.00 points on average" in brittle.sentence


def test_independent_members_are_not_advised_to_take_a_smaller_lambda(result):
    result = with_curves(result.assign_coords(lam=[0.0]), [0.9, 0.8, 0.5], [0.9, 0.7, 0.2])
    assert finding(result, "brittle").sentence.endswith("Keep all members in use.")


# --- trials that cannot be judged -----------------------------------------------------------------


def test_where_nothing_was_learned_nothing_else_is_said(result):
    result["most_frequent_class"][:] = 0.4
    result = with_curves(result, [0.42, 0.42, 0.42], [0.42, 0.4, 0.3])
    assert rules(result) == ["nothing-learned"]
    assert finding(result, "nothing-learned").sentence == (
        "λ = 0.9: robustness to missing members is not judged, because nothing has been learned: "
        "test accuracy with all members, 42.0 %, is not significantly above the frequency of the "
        "most frequent class, 40.0 %."
    )


def test_a_diverged_trial_is_left_out_and_reported(result):
    result = with_curves(result, [0.9, 0.895, 0.85], [0.9, 0.87, 0.5])
    result["loss"][0, 1] = np.nan
    assert sentence(result, "tolerance").startswith("in one trial, the ensemble tolerates")
    assert sentence(result, "tolerance").endswith("Left out: 1 of 2 trials (diverged).")
    result["loss"][0, 0] = np.inf
    assert rules(result) == ["nothing-learned"]
    assert sentence(result, "nothing-learned").endswith("is not judged: all 2 trials diverged.")


def test_a_single_member_has_a_sentence_and_only_bit_flips(result):
    result = result.isel(dropped=[0], kept=[0], member=[0])
    result["accuracy"][:] = 0.9
    assert rules(result) == ["single-member", "bit-flips"]


def test_of_two_members_the_identity_of_the_predicted_loss_is_not_reported(result):
    result = with_curves(result, [0.9, 0.895, 0.85], [0.9, 0.87, 0.5])
    two = result.isel(dropped=[0, 1], kept=[0, 1], member=[0, 1], faulty=[0, 1, 2])
    assert "excess-loss" not in rules(two)
    assert "1 of 2 members" in sentence(two, "tolerance")


# --- other findings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("excess", "more"), [((1.04, 1.06), False), ((1.4, 1.6), False), ((1.499, 1.501), True)]
)
def test_dependence_beyond_diversity_is_reported_where_its_interval_is_above_the_limit(
    result, excess, more
):
    result["codependence_excess"][0, :, 0] = np.array(excess)[:, None]
    dependence = finding(result, "excess-loss")
    assert dependence.number == pytest.approx(np.mean(excess))
    assert dependence.limit == 1.1
    assert ("depend on each other" in dependence.sentence) == more


def with_faults(result):
    result["fault_accuracy"][:] = 0.9
    result["fault_accuracy"].loc[{"fault": "scaled", "faulty": 1}] = [0.799, 0.801]
    result["fault_accuracy"].loc[{"fault": "random", "faulty": 1}] = [0.81, 0.8]
    return result


def test_two_trials_do_not_show_which_fault_costs_most(result):
    assert finding(with_faults(result), "faults").sentence == (
        "λ = 0.9: if one of 3 members is faulty, test accuracy drops most with logits multiplied "
        "by 10, by 10.00 points (95 % interval 8.73 to 11.27 points); this is not significantly "
        "more than with any other simulated fault."
    )


def test_the_costliest_fault_is_named_with_those_that_may_cost_as_much(result):
    twice = with_faults(result).isel(trial=[0, 1, 0, 1])
    assert finding(twice, "faults").sentence.endswith(
        "this is not significantly more than with random logits."
    )


def test_a_fault_that_costs_nothing_is_not_named(result):
    result["fault_accuracy"][:] = 0.9
    assert "none of the simulated faults" in finding(result, "faults").sentence


def test_the_rate_of_bit_flips_that_costs_a_point_is_reported(result):
    result["bit_flip_accuracy"][0, :] = [0.9, 0.9, 0.9, 0.85, 0.5, 0.5, 0.1]
    result["bit_flip_accuracy"][0, 0, 1:] += 0.0005
    result["bit_flip_accuracy_guarded"][:] = 0.9
    bit_flips = finding(result, "bit-flips")
    assert bit_flips.number == 1e-6
    assert bit_flips.sentence == (
        "λ = 0.9: random bit flips in the weights significantly lower test accuracy by 1 point or "
        "more from a probability of 1e-06 per bit; if members with extreme logits are excluded, at "
        "none of the probabilities tried."
    )


def with_partial(result, accuracies):
    for order, curve in accuracies.items():
        values = np.array([curve, curve]) + np.array([[1e-4, 1e-4, 0], [-1e-4, -1e-4, 0]])
        result["partial_accuracy"].loc[{"evaluation": order}] = values[None]
    return result


def test_the_order_that_needs_fewest_members_is_named_with_its_cost_and_advice(result):
    slow = [0.5, 0.8, 0.9]
    result = with_partial(
        result, {"random": slow, "best-alone-first": slow, "greedy": [0.895, 0.9, 0.9]}
    )
    partial = finding(result, "partial")
    assert partial.number == pytest.approx(1 / 3)
    assert partial.sentence == (
        "λ = 0.9: 1 of 3 members (33 of 99 parameters), evaluated in a greedy order chosen on "
        "validation data, comes within 1 point of the full ensemble's test accuracy. The remaining "
        "members add less than 1 point together: try fewer or wider members with the same "
        "parameter budget."
    )


def test_all_members_are_needed_only_if_fewer_cost_significantly_more(result):
    slow = [0.5, 0.8, 0.9]
    result = with_partial(result, dict.fromkeys(("random", "best-alone-first", "greedy"), slow))
    assert "all 3 members (99 parameters) are needed" in sentence(result, "partial")
    result["partial_accuracy"][0, 0, :, 1] = 0.9
    assert sentence(result, "partial") == (
        "2 trials do not show whether fewer than all 3 members come within 1 point of the full "
        "ensemble's test accuracy."
    )


def with_values(result, values, error):
    result["shapley_accuracy"][:] = values
    result["shapley_accuracy_se_examples"][:] = error
    return result


def test_the_most_valuable_member_is_compared_with_an_equal_share(result):
    worth = finding(with_values(result, [0.1, 0.3, 0.2], 0.02), "worth")
    assert worth.number == pytest.approx(0.5)
    assert worth.sentence == (
        "λ = 0.9: the most valuable member contributes 30.00 points of test accuracy (exact "
        "Shapley value), 50.0 % of the total of 3 members; an equal share is 33.3 %."
    )


def test_a_value_above_the_total_is_explained(result):
    assert sentence(with_values(result, [-0.1, 0.5, -0.2], 0.02), "worth").endswith(
        "more than the total of 3 members, 20.00 points, because others lower test accuracy."
    )


def test_a_total_that_is_not_positive_has_no_shares(result):
    assert "worth" not in rules(with_values(result, [-0.1, 0.1, -0.2], 0.02))


def test_the_highest_of_many_uncertain_values_is_not_called_the_most_valuable(result):
    result = with_values(result, [0.1, 0.3, 0.2], 0.05)
    assert "no member's exact Shapley value" in sentence(result, "worth")


def test_estimated_values_are_tested_over_orders(result):
    result = with_values(result, [0.1, 0.3, 0.2], 0.001)
    result.attrs["exact"] = 0
    result["shapley_accuracy_se"][:] = 0.2
    assert "(t test over orders of the members" in sentence(result, "worth")
    result["shapley_accuracy_se"][:] = 0.01
    assert "estimated from random orders" in sentence(result, "worth")


def test_outputs_that_do_not_match_the_metrics_are_an_alert(result):
    result["residual"][:] = 0.02
    residual = finding(result, "residual")
    assert (residual.level, residual.number) == ("alert", 0.02)


@pytest.mark.slow
def test_every_lambda_has_a_tolerance_or_a_reason(measured):
    findings = judge(measured)
    judged = [f.lam for f in findings if f.rule in ("tolerance", "nothing-learned")]
    assert judged == [0.0, 0.9, 1.0]


def test_numbers_that_are_missing_have_no_sentence(result):
    for name in result.data_vars:
        if result[name].dtype.kind == "f":
            result[name][...] = np.nan
    assert rules(result) == ["nothing-kept"]
