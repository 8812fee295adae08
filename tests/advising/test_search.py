"""The search on errors by formula: what it finds, what it costs, and when it ends."""

import sys

import numpy as np
import pytest

from jtdiag.advising import racing, screening
from jtdiag.advising.racing import contenders, evidence, race
from jtdiag.advising.screening import screen
from jtdiag.advising.training import LimitReachedError

MEANS = np.linspace(0.02, 0.09, 16)


def searched(objective, most=10, baselines=()):
    try:
        screen(objective.names, objective, seed=0)
        race(objective.names, objective, most, baselines)
    except LimitReachedError:
        return False
    return True


def test_without_noise_the_best_candidate_is_recommended_whatever_the_order(synthetic):
    for seed in range(5):
        objective = synthetic(MEANS[::-1], noise=0, of_trial=0)
        screen(objective.names, objective, seed)
        assert evidence(objective.names, objective, 10).recommended == "c15"


def test_screening_trains_everything_a_quarter_and_few_candidates_completely(synthetic):
    objective = synthetic(MEANS)
    screen(objective.names, objective, seed=0)
    extents = np.array(list(objective.trained.values()))
    assert len(extents) == 16
    assert set(extents) <= {0.25, 0.5, 1.0}
    assert 2 <= (extents == 1).sum() <= 8
    assert objective.cost == extents.sum() < 10
    assert len(contenders(objective.names, objective)) == (extents == 1).sum()


def test_a_quarter_of_the_grid_suffices_in_most_seeds_to_come_within_a_standard_error(synthetic):
    near = 0
    for seed in range(40):
        random = np.random.default_rng(1000 + seed)
        objective = synthetic(0.025 + random.gamma(1.5, 0.006, 24), seed, budget=24 * 5 / 4)
        searched(objective)
        recommended = evidence(objective.names, objective, 10).recommended
        grid = objective.table[:, :5]
        best = grid[grid.mean(1).argmin()]
        limit = best.mean() + best.std(ddof=1) / np.sqrt(5)
        near += grid[objective.names.index(recommended)].mean() <= limit
        assert objective.cost <= 24 * 5 / 4 + 1
    assert near >= 32


def test_trials_go_where_candidates_cannot_be_told_apart(synthetic):
    objective = synthetic([0.02, 0.02, 0.2, 0.2], noise=0.003)
    for name in objective.names:
        objective.errors(name, 1)
    race(objective.names, objective, 10, ())
    trials = [int(objective.trained[name]) for name in objective.names]
    assert trials[:2] == [10, 10]
    assert max(trials[2:]) < 10


def test_the_race_ends_when_one_is_significantly_better_than_all_others(synthetic):
    objective = synthetic([0.02, 0.3], noise=0.003)
    for name in objective.names:
        objective.errors(name, 1)
    race(objective.names, objective, 10, ())
    assert evidence(objective.names, objective, 10).undecided == ("c0",)
    assert objective.cost < 20


def test_a_baseline_is_compared_whatever_its_error(synthetic):
    objective = synthetic([*MEANS, 0.5], noise=0.001)
    searched(objective, baselines=["c16"])
    assert len(objective.known("c16")) >= 1
    assert "c16" in evidence(objective.names, objective, 10).differences


def test_the_same_search_again_trains_nothing_and_says_the_same(synthetic):
    objective = synthetic(MEANS)
    assert searched(objective)
    cost, answer = objective.cost, evidence(objective.names, objective, 10)
    assert searched(objective)
    assert objective.cost == cost
    assert evidence(objective.names, objective, 10).recommended == answer.recommended


def test_a_search_in_pieces_ends_where_one_in_a_single_piece_ends(synthetic):
    whole, pieces = synthetic(MEANS), synthetic(MEANS, budget=0)
    searched(whole)
    while not searched(pieces):
        pieces.budget += 1.7
    assert pieces.trained == whole.trained


def test_nothing_is_recommended_without_a_complete_trial(synthetic):
    objective = synthetic(MEANS, budget=1)
    assert not searched(objective)
    weighed = evidence(objective.names, objective, 10)
    assert (weighed.recommended, weighed.undecided) == ("", ())


def test_optuna_that_is_missing_is_one_line(synthetic, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(screening.AdviceError, match=r"pip install 'jtdiag\[advise\]'\.$"):
        screen(["a"], synthetic([0.1]), 0)


def test_the_most_promising_is_that_with_the_lowest_bound(synthetic):
    objective = synthetic([0.02, 0.03, 0.5], noise=0.002, of_trial=0)
    for name, trials in (("c0", 6), ("c1", 2), ("c2", 2)):
        objective.errors(name, trials)
    assert racing._most_promising(objective.names, ["c1", "c2"], objective) == "c1"
