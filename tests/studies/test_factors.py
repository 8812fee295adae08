"""The model of a race against jtdiag's, and effects on lanes made by hand."""

import numpy as np
import pytest
from lanes_by_hand import lanes, row

from early_warning_study import factors, race
from early_warning_study.lanes import Lanes
from jtdiag.race import flow


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("lam", [0.0, 0.9, 1.0])
def test_without_decay_the_model_is_the_race_of_jtdiag(depth, lam):
    start = np.array([0.6, 0.4, 0.3])
    found = race.strengths(start, depth, lam, time=2.0)
    expected = flow(depth + 1, start ** (depth + 1), lam, 2.0 * start.size)
    assert found == pytest.approx(expected, rel=1e-5)


def test_with_decay_the_model_is_the_flow_of_all_weights():
    lam, decay, step = 0.9, 0.05, 1e-3
    weights = np.array([[0.6] * 3, [0.4] * 3])  # members, layers
    for _ in range(2_000):
        s = weights.prod(1)
        residual = lam * (1 - s.mean()) + (1 - lam) * (1 - s)
        gradient = residual[:, None] * s[:, None] / weights - decay * weights
        weights = weights + step * gradient
    found = race.strengths(np.array([0.6, 0.4]), 2, lam, decay=decay, time=2.0)
    assert found == pytest.approx(weights.prod(1), rel=1e-2)


def test_concentration_is_none_among_equals_and_one_for_a_single_carrier():
    assert race.concentration(race.effective(np.ones(4)), 4) == 0
    assert race.concentration(race.effective(np.array([1.0, 0, 0])), 3) == 1


def by_hand() -> Lanes:
    """A factorial in which unequal starts are dominated at λ = 1, and 5 epochs are enough."""
    rows = []
    for layers in (1, 2, 3, 4):
        for start in ("equal", "ahead", "spread"):
            for lam in (0, 0.9, 1):
                late = 0.8 if lam == 1 and start != "equal" else 0.1
                early = 0.8 if lam >= 0.9 and start != "equal" else 0.1
                for trial in (0, 1):
                    rows.append(
                        row(
                            width=48,
                            depth=layers,
                            start=start,
                            lam=lam,
                            trial=trial,
                            test_others=late,
                            test_others_5=early,
                            effective=1 if late > 0.5 else 4 - 0.1 * trial,
                        )
                    )
    return lanes(*rows, row(width=12, start="ahead"))


@pytest.fixture(scope="module")
def effects() -> dict[str, factors.Effect]:
    return {effect.factor.name: effect for effect in factors.effects(by_hand())}


def test_a_factor_is_compared_in_cells_that_differ_in_it_only(effects):
    start = effects["start, λ = 1: ahead − equal"]
    assert start.dominated.tolist() == [1.0] * 4  # one for each depth
    assert (start.more, start.fewer) == (4, 0)
    assert start.p == pytest.approx(min(1, factors.FAMILY * 2 * 0.5**4))
    assert start.concentration.mean == pytest.approx(1 - 0.1 / 2 / 3)


def test_longer_training_undoes_dominance_below_one_only(effects):
    assert set(effects["epochs, 0 < λ < 1, unequal: 20 − 5"].dominated) == {-1.0}
    assert set(effects["epochs, λ = 1, unequal: 20 − 5"].dominated) == {0.0}


def test_the_predicted_signs_are_those_of_the_theory(effects):
    sign = {name: effect.sign for name, effect in effects.items()}
    assert sign["start, λ = 1: ahead − equal"] == 1
    assert sign["hidden layers, λ = 1, unequal: 4 − 1"] == 1
    assert sign["hidden layers, λ = 1, equal: 4 − 1"] == 0
    assert sign["λ, unequal: 1 − 0.9"] == 1
    assert sign["epochs, 0 < λ < 1, unequal: 20 − 5"] == -1


def test_without_lanes_nothing_is_predicted_or_measured(effects):
    many = effects["M, λ = 1, ahead: 16 − 2"]
    assert (many.sign, many.dominated.size, many.concentration.exists) == (0, 0, False)
