import numpy as np
import pytest

from jtdiag.probing.contract import Options
from jtdiag_probes.robustness.robustness import probe
from jtdiag_probes.robustness.verdict import judge


@pytest.fixture
def result(toy):
    """A result at λ = 0.9 alone, to be changed."""
    return probe.ask(toy, Options()).sel(lam=[0.9]).copy(deep=True)


def finding(result, rule):
    [match] = [finding for finding in judge(result) if finding.rule == rule]
    return match


def rules(result):
    return [finding.rule for finding in judge(result)]


def with_curve(result, shared, worst, tolerated, error=0.02):
    result["accuracy_mean"][0, 0] = shared
    result["accuracy_se"][0, 0] = 0.003
    result["accuracy_worst_mean"][0] = worst
    result["tolerated_fraction_mean"][0, 0] = tolerated
    result["tolerated_fraction_se"][0, 0] = error
    return result


def test_tolerance_is_reported_for_random_losses_and_for_the_worst_case(result):
    result = with_curve(result, [0.9, 0.895, 0.85], [0.9, 0.87, 0.5], 0.37)
    tolerance = finding(result, "tolerance")
    assert (tolerance.level, tolerance.number) == ("info", 0.37)
    assert tolerance.sentence == (
        "λ = 0.9: the ensemble tolerates losing 1 of 3 members at random: test accuracy, 90.0 ± "
        "0.3 % with all members, drops by 1 point when 37.0 ± 2.0 % of the members are missing; in "
        "the worst case found, losing 1 member is enough for 1 point."
    )
    assert tolerance.headline == "the ensemble tolerates losing 1 of 3 members at λ = 0.9"
    assert "brittle" not in rules(result)


def test_an_ensemble_of_which_one_member_is_enough_tolerates_losing_all_others(result):
    result = with_curve(result, [0.9, 0.9, 0.895], [0.9, 0.9, 0.895], 2 / 3)
    assert finding(result, "tolerance").sentence == (
        "λ = 0.9: the ensemble tolerates losing 2 of 3 members at random: test accuracy, 90.0 ± "
        "0.3 % with all members, drops by less than 1 point."
    )


@pytest.mark.slow
def test_every_lambda_has_a_tolerance_even_where_it_is_none(toy):
    findings = judge(probe.ask(toy, Options()))
    assert [f.lam for f in findings if f.rule == "tolerance"] == [0.0, 0.9, 1.0]


@pytest.mark.parametrize(("fraction", "tolerated"), [(1 / 3 - 1e-6, False), (1 / 3, True)])
def test_only_complete_members_count_as_tolerated(result, fraction, tolerated):
    result = with_curve(result, [0.9, 0.89, 0.5], [0.9, 0.86, 0.2], fraction)
    assert ("brittle" in rules(result)) != tolerated
    assert ("does not tolerate" in finding(result, "tolerance").sentence) != tolerated


def test_a_missing_member_that_costs_much_is_an_alert(result):
    result = with_curve(result, [0.9, 0.8, 0.5], [0.9, 0.7, 0.2], 0.03)
    brittle = finding(result, "brittle")
    assert brittle.level == "alert"
    assert brittle.number == pytest.approx(0.1)
    assert brittle.sentence == (
        "λ = 0.9: losing one of 3 members costs 10.00 points of test accuracy on average and "
        "20.00 points in the worst case found. Keep all members in use, or train with a smaller λ."
    )
    tolerance = finding(result, "tolerance")
    assert (tolerance.level, tolerance.number) == ("info", 0.03)
    assert tolerance.sentence == (
        "λ = 0.9: the ensemble does not tolerate losing even one of 3 members at random: one "
        "missing member costs 10.00 points of test accuracy on average."
    )
    assert tolerance.headline == "losing one of 3 members costs 10.00 points of accuracy at λ = 0.9"


def test_a_missing_member_that_costs_little_is_no_alert(result):
    result = with_curve(result, [0.9, 0.88, 0.5], [0.9, 0.86, 0.2], 0.2)
    brittle = finding(result, "brittle")
    assert brittle.level == "info"
    assert brittle.sentence.endswith("4.00 points in the worst case found.")


def test_independent_members_are_not_advised_to_take_a_smaller_lambda(result):
    result = with_curve(result.assign_coords(lam=[0.0]), [0.9, 0.8, 0.5], [0.9, 0.7, 0.2], 0.03)
    assert finding(result, "brittle").sentence.endswith("Keep all members in use.")


@pytest.mark.parametrize(("excess", "more"), [(1.05, False), (1.5, True)])
def test_dependence_beyond_diversity_is_reported(result, excess, more):
    result["codependence_excess_mean"][:] = excess
    dependence = finding(result, "excess-loss")
    assert (dependence.number, dependence.limit) == (excess, 1.1)
    assert ("depend on each other" in dependence.sentence) == more


def test_the_costliest_fault_of_one_member_is_named(result):
    result["fault_accuracy_mean"][:] = 0.9
    result["fault_accuracy_mean"].loc[{"fault": "scaled", "faulty": 1}] = 0.8
    result["fault_accuracy_mean"].loc[{"fault": "zero", "faulty": 1}] = 0.89
    assert finding(result, "faults").sentence == (
        "λ = 0.9: if one of 3 members is faulty, logits multiplied by 10 cost most: 10.00 points "
        "of test accuracy (all-zero logits: 1.00 points)."
    )


def test_a_fault_that_costs_nothing_is_not_named(result):
    result["fault_accuracy_mean"][:] = 0.9
    assert finding(result, "faults").sentence == (
        "λ = 0.9: none of the simulated faults in one of 3 members costs as much as 0.05 points "
        "of test accuracy."
    )


def test_the_rate_of_bit_flips_that_costs_a_point_is_reported(result):
    result["bit_flip_accuracy_mean"][:] = [0.9, 0.9, 0.9, 0.85, 0.5, 0.5, 0.1]
    result["bit_flip_accuracy_guarded_mean"][:] = 0.9
    bit_flips = finding(result, "bit-flips")
    assert bit_flips.number == 1e-6
    assert bit_flips.sentence == (
        "λ = 0.9: random bit flips in the weights lower test accuracy by 1 point at a probability "
        "of 1e-06 per bit; if members with extreme logits are excluded, at none of the "
        "probabilities tried."
    )


def test_the_order_that_needs_fewest_members_is_named_with_its_cost_and_advice(result):
    result["partial_accuracy_mean"][:] = 0.9
    result["partial_accuracy_mean"].loc[{"kept": 1}] = 0.5
    result["partial_accuracy_mean"].loc[{"evaluation": "greedy", "kept": 1}] = 0.895
    partial = finding(result, "partial")
    assert partial.number == pytest.approx(1 / 3)
    assert partial.sentence == (
        "λ = 0.9: 1 of 3 members (33 of 99 parameters), evaluated in a greedy order chosen on "
        "validation data, comes within 1 point of the full ensemble's test accuracy. The remaining "
        "members add less than 1 point together: try fewer or wider members with the same "
        "parameter budget."
    )


def test_the_most_valuable_member_is_compared_with_an_equal_share(result):
    result["shapley_accuracy"][:] = [0.1, 0.3, 0.2]
    result["shapley_accuracy_se"][:] = [0.01, 0.02, 0.03]
    worth = finding(result, "worth")
    assert worth.number == pytest.approx(0.5)
    assert "contributes 30.0 ± 2.0 points of test accuracy (Shapley value ± SE" in worth.sentence
    assert "50.0 % of the total of 3 members; an equal share is 33.3 %." in worth.sentence


def test_the_highest_of_many_uncertain_values_is_not_called_the_most_valuable(result):
    result["shapley_accuracy"][:] = [0.1, 0.3, 0.2]
    result["shapley_accuracy_se"][:] = 0.05
    assert "no member's Shapley value is consistently above" in finding(result, "worth").sentence


def test_outputs_that_do_not_match_the_metrics_are_an_alert(result):
    result["residual"][:] = 0.02
    residual = finding(result, "residual")
    assert (residual.level, residual.number) == ("alert", 0.02)


def test_numbers_that_are_missing_have_no_sentence(result):
    for name in result.data_vars:
        if result[name].dtype.kind == "f":
            result[name][...] = np.nan
    assert rules(result) == ["nothing-kept"]
    result["accuracy"][:] = 0.5
    assert judge(result) == []
