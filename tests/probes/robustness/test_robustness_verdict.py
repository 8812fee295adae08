import numpy as np
import pytest

from jtdiag.probing.contract import Options
from jtdiag_probes.robustness.robustness import probe
from jtdiag_probes.robustness.robustness_verdict import judge


@pytest.fixture
def told(toy):
    """A result at λ = 0.9 alone, to be changed."""
    return probe.ask(toy, Options()).sel(lam=[0.9]).copy(deep=True)


def sentence(result, rule):
    [found] = [finding for finding in judge(result) if finding.rule == rule]
    return found


def with_curve(result, shared, worst, tolerated, error=0.02):
    result["accuracy_mean"][0, 0] = shared
    result["accuracy_worst_mean"][0] = worst
    result["tolerated_fraction_mean"][0, 0] = tolerated
    result["tolerated_fraction_se"][0, 0] = error
    return result


def test_what_may_be_missing_is_said_for_chance_and_for_the_worst_case(told):
    told = with_curve(told, [0.9, 0.895, 0.85], [0.9, 0.87, 0.5], 0.37)
    found = sentence(told, "tolerance")
    assert (found.level, found.number) == ("info", 0.37)
    assert found.sentence == (
        "λ = 0.9: test accuracy is 90 % with all 3 members, and a point less when 37 % ± 2 of them "
        "are missing at random; in the worst case found, when 1 are missing."
    )


def test_an_ensemble_of_which_one_is_enough_is_called_so(told):
    told = with_curve(told, [0.9, 0.9, 0.895], [0.9, 0.9, 0.895], 2 / 3)
    assert sentence(told, "tolerance").sentence == (
        "λ = 0.9: test accuracy is 90 % with all 3 members, and on average not a point less with a "
        "single one."
    )


def test_a_missing_member_that_costs_much_is_an_alert(told):
    told = with_curve(told, [0.9, 0.8, 0.5], [0.9, 0.7, 0.2], 0.03)
    found = sentence(told, "brittle")
    assert found.level == "alert"
    assert found.number == pytest.approx(0.1)
    assert found.sentence == (
        "λ = 0.9: one missing member of 3 costs 10.00 points of test accuracy on average, and "
        "20.00 points if it is the wrong one. Use this ensemble whole, or train it with a smaller "
        "λ."
    )


def test_a_missing_member_that_costs_little_is_none(told):
    told = with_curve(told, [0.9, 0.88, 0.5], [0.9, 0.86, 0.2], 0.2)
    found = sentence(told, "brittle")
    assert found.level == "info"
    assert found.sentence.endswith("4.00 points if it is the wrong one.")


def test_independent_members_are_not_told_to_take_a_smaller_lambda(told):
    told = with_curve(told.assign_coords(lam=[0.0]), [0.9, 0.8, 0.5], [0.9, 0.7, 0.2], 0.03)
    assert sentence(told, "brittle").sentence.endswith("Use this ensemble whole.")


@pytest.mark.parametrize(("excess", "more"), [(1.05, False), (1.5, True)])
def test_dependence_beyond_diversity_is_said(told, excess, more):
    told["codependence_excess_mean"][:] = excess
    found = sentence(told, "codependence")
    assert (found.number, found.limit) == (excess, 1.1)
    assert ("depend on each other" in found.sentence) == more


def test_the_costliest_fault_of_one_member_is_named(told):
    told["fault_accuracy_mean"][:] = 0.9
    told["fault_accuracy_mean"].loc[{"fault": "scaled", "faulty": 1}] = 0.8
    told["fault_accuracy_mean"].loc[{"fault": "zero", "faulty": 1}] = 0.89
    assert sentence(told, "faults").sentence == (
        "λ = 0.9: one faulty member of 3 costs most when its logits are ten times too loud: "
        "10.00 points of test accuracy; when it is silent, 1.00 points."
    )


def test_the_rate_of_flips_that_costs_a_point_is_said(told):
    told["bit_flip_accuracy_mean"][:] = [0.9, 0.9, 0.9, 0.85, 0.5, 0.5, 0.1]
    told["bit_flip_accuracy_guarded_mean"][:] = 0.9
    found = sentence(told, "bit-flips")
    assert found.number == 1e-6
    assert "a point at a rate of 1e-06" in found.sentence
    assert found.sentence.endswith("at none of the rates tried.")


def test_the_order_that_needs_fewest_members_is_named_with_its_cost(told):
    told["partial_accuracy_mean"][:] = 0.9
    told["partial_accuracy_mean"].loc[{"kept": 1}] = 0.5
    told["partial_accuracy_mean"].loc[{"evaluation": "greedy", "kept": 1}] = 0.895
    found = sentence(told, "partial")
    assert found.number == pytest.approx(1 / 3)
    assert "1 of 3 members (33 of 99 parameters), asked in the order of a greedy" in found.sentence


def test_the_most_useful_member_is_compared_with_an_equal_share(told):
    told["shapley_accuracy"][:] = [0.1, 0.3, 0.2]
    told["shapley_accuracy_se"][:] = [0.01, 0.02, 0.03]
    found = sentence(told, "worth")
    assert found.number == pytest.approx(0.5)
    assert "30.00 points of test accuracy (Shapley value, ± 2), 50 %" in found.sentence
    assert "an equal share is 33 %" in found.sentence


def test_the_highest_of_many_doubtful_values_is_not_called_the_most_useful(told):
    told["shapley_accuracy"][:] = [0.1, 0.3, 0.2]
    told["shapley_accuracy_se"][:] = 0.05
    assert "no member is clearly worth more than an equal share" in sentence(told, "worth").sentence


def test_a_fault_that_costs_nothing_is_not_named(told):
    told["fault_accuracy_mean"][:] = 0.9
    assert sentence(told, "faults").sentence == (
        "λ = 0.9: no fault of a single member of 3 costs 0.05 points of test accuracy."
    )


def test_outputs_that_do_not_belong_to_the_metrics_raise_the_alarm(told):
    told["residual"][:] = 0.02
    found = sentence(told, "residual")
    assert (found.level, found.number) == ("alert", 0.02)


def test_numbers_that_are_missing_have_no_sentence(told):
    for name in told.data_vars:
        if told[name].dtype.kind == "f":
            told[name][...] = np.nan
    assert [finding.rule for finding in judge(told)] == ["nothing-kept"]
    told["accuracy"][:] = 0.5
    assert judge(told) == []
