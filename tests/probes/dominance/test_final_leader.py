import numpy as np
import pytest
from scipy.stats import binomtest

from jtdiag.probing.contract import Options
from jtdiag_probes.dominance import leadership
from jtdiag_probes.dominance.dominance import probe


def run_led_by(by_hand, *trials, **more):
    """One λ; in each trial these of three members lead in training, epoch after epoch."""
    errors = np.full((1, len(trials), len(trials[0]), 3, 3), 0.5)
    for t, leaders in enumerate(trials):
        for epoch, leader in enumerate(leaders):
            errors[0, t, epoch, :, leader] = 0.2
    return by_hand(errors, np.full(errors.shape[:-1], 0.1), lam=(1.0,), **more)


@pytest.mark.parametrize(
    ("leaders", "epochs"),
    [([2], 1), ([0, 2], 1), ([2, 2], 2), ([2, 0, 2, 2, 2], 3), ([1, 0, 2], 1)],
)
def test_the_epochs_since_which_the_leader_is_unchanged_are_counted(leaders, epochs):
    assert leadership.unchanged(np.array(leaders)) == epochs


@pytest.mark.slow
def test_the_epoch_from_which_on_the_final_leader_leads_is_measured_for_every_lane(by_hand):
    run = run_led_by(by_hand, [0, 1, 2, 2, 2], [0, 0, 0, 0, 0], [0, 0, 0, 0, 1], epochs=9)
    run.seal_up_to(4, *run.run.lanes[:2])
    result = probe.ask(run.run, Options())
    assert result["leader_known_since"].values.tolist() == [[2, 0, -1]]
    assert result["done"].values.tolist() == [[0, 0, 0]]


@pytest.mark.slow
def test_a_lane_is_done_when_it_has_all_its_epochs(by_hand):
    run = run_led_by(by_hand, [0, 1, 2, 2, 2], [0, 0, 0, 0, 0])
    run.seal_up_to(4, run.run.lanes[0])
    run.seal_up_to(3, run.run.lanes[1])
    assert probe.ask(run.run, Options())["done"].values.tolist() == [[1, 0]]


@pytest.mark.slow
def test_the_early_leader_is_reported_with_its_exact_interval(by_hand):
    leaders = [0, 1, 1, 2, 2]
    run = run_led_by(by_hand, leaders, leaders, leaders, [0, 0, 0, 1, 0]).seal_all()
    [finding] = [f for f in probe.judge(probe.ask(run, Options())) if f.rule == "early-leader"]
    exact = binomtest(3, 4).proportion_ci(0.95, method="exact")
    assert finding.number == 0.75
    assert finding.sentence == (
        "λ = 1: the member with the lowest training error after epoch 3 also has the lowest at the "
        "end in 3 of 4 trials (chance level: 1 in 3; exact 95 % confidence interval: "
        f"{100 * exact.low:.0f} to {100 * exact.high:.0f} %). The final leader leads from epoch 3 "
        "on (median over trials)."
    )


@pytest.mark.slow
def test_the_spread_of_errors_is_reported_at_the_end_of_finished_lanes(by_hand):
    run = run_led_by(by_hand, [0, 1, 2, 2, 2], [0, 0, 0, 0, 0])
    run.seal_up_to(4, run.run.lanes[0])
    run.seal_up_to(2, run.run.lanes[1])
    [finding] = [f for f in probe.judge(probe.ask(run.run, Options())) if f.rule == "error-spread"]
    assert finding.number == pytest.approx(0.4)
    assert finding.sentence == (
        "λ = 1: on test, the best member's error is 0.4 times the median member's; it differs from "
        "the ensemble's by +10.0 percentage points. The Gini coefficient of the members' errors "
        "is 0.17."
    )


@pytest.mark.slow
def test_a_best_member_that_beats_the_ensemble_is_below_it(by_hand):
    errors = np.full((1, 2, 2, 3, 2), 0.3)
    errors[:, 1] = 0.25
    run = by_hand(errors, np.full(errors.shape[:-1], 0.4), lam=(0.5,)).seal_all()
    [finding] = [f for f in probe.judge(probe.ask(run, Options())) if f.rule == "error-spread"]
    assert "differs from the ensemble's by −12.5 percentage points (95 % " in finding.sentence


def test_inequality_is_that_of_the_members_errors(toy):
    result = probe.ask(toy, Options(metrics_only=True))
    error = result["member_error"]
    best, median = error.min("member"), error.median("member")
    np.testing.assert_allclose(result["leader_gap"], best - result["ensemble_error"], atol=1e-15)
    np.testing.assert_allclose(result["best_to_median"], (best / median).where(median > 0))
    for index in np.ndindex(result["error_gini"].shape):
        e = error.values[index]
        apart = np.abs(e[:, None] - e).mean() / (2 * e.mean())
        assert result["error_gini"].values[index] == pytest.approx(apart, abs=1e-12)
        share = e[e > 0] / e.sum()
        expected = -(share * np.log(share)).sum()
        assert result["error_entropy"].values[index] == pytest.approx(expected, abs=1e-12)
