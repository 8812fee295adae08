import dataclasses

import numpy as np
import pytest

from jtdiag_probes.robustness import subset_means
from jtdiag_probes.robustness.removal import random_orders
from jtdiag_probes.robustness.subset_means import Drawn, Enumerated, is_exact, subsets_of

M, K = 5, 4


def means(five_members, repeats=0):
    """Means over all subsets, or over a number of random ones."""
    logits, target = five_members
    orders = random_orders(np.random.default_rng(1), max(1, repeats), M)
    generators = [np.random.default_rng([2, repeat]) for repeat in range(repeats)]
    subsets = Drawn(orders, generators, K) if repeats else Enumerated(M, K)
    subsets.add(logits, target)
    return subsets.means()


@pytest.mark.slow
def test_random_subsets_agree_with_all_subsets_within_their_errors(five_members):
    exact, drawn = means(five_members), means(five_members, repeats=600)
    for name in ("accuracy", "loss"):
        error = getattr(drawn, f"{name}_error")
        off = np.abs(getattr(drawn, name) - getattr(exact, name))
        assert (off <= 4 * error + 1e-9).all()
        assert (error[:, :-1] > 0).all()
        assert not getattr(exact, f"{name}_error").any()
    for name in ("shapley_accuracy", "shapley_loss"):
        off = np.abs(drawn.shapley[name] - exact.shapley[name])
        assert (off <= 4 * drawn.shapley[f"{name}_se"] + 1e-9).all()
        assert not exact.shapley[f"{name}_se"].any()


def test_the_lowest_of_random_subsets_is_an_upper_bound_of_the_worst_case(five_members):
    exact, drawn = means(five_members), means(five_members, repeats=5)
    assert (exact.lowest <= drawn.lowest).all()
    assert (exact.lowest < drawn.lowest).any()


def test_small_ensembles_are_enumerated_and_large_ones_are_not(monkeypatch):
    assert [is_exact(members) for members in (1, 8, 9)] == [True, True, False]
    orders, generators = np.arange(M)[None], [np.random.default_rng(0)]
    assert isinstance(subsets_of(M, K, orders, generators), Enumerated)
    monkeypatch.setattr(subset_means, "LARGEST", 4)
    assert isinstance(subsets_of(M, K, orders, generators), Drawn)


def test_values_of_a_diverged_member_are_nan_only_in_losses(five_members):
    logits, target = five_members
    logits[0] = np.nan
    subsets = Enumerated(M, K)
    with np.errstate(invalid="ignore"):
        subsets.add(logits, target)
        spoilt = subsets.means()
    assert np.isnan(spoilt.loss).all()
    assert np.isfinite(spoilt.accuracy).all()
    assert np.isnan(spoilt.shapley["shapley_loss_se"]).all()
    assert {f.name for f in dataclasses.fields(spoilt)} >= {"accuracy", "loss", "lowest"}
