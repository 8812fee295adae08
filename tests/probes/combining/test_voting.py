import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import mode

from jtdiag_probes.combining import voting
from jtdiag_probes.shared.class_logits import ClassLogits


@st.composite
def elections(draw):
    """Votes of each member (M, n) on n examples, and classes (n,), among K."""
    members, examples = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    classes = draw(st.integers(2, 4))
    voted = draw(arrays(np.int64, (members, examples), elements=st.integers(0, classes - 1)))
    target = draw(arrays(np.int64, examples, elements=st.integers(0, classes - 1)))
    return voted, target, classes


def votes_of(voted, classes):
    logits = np.eye(classes)[voted]
    return ClassLogits(logits, np.zeros(logits.shape[1], int)).votes()


@pytest.mark.slow
@given(elections())
def test_votes_are_counted(election):
    voted, _, classes = election
    votes = votes_of(voted, classes)
    assert votes.shape == (voted.shape[1], classes)
    for n, k in np.ndindex(votes.shape):
        assert votes[n, k] == sum(voted[:, n] == k)


def test_of_equal_logits_the_first_is_voted_for():
    logits = np.array([[[1.0, 2.0, 2.0]], [[0.0, 0.0, 0.0]]])
    assert ClassLogits(logits, np.zeros(1, int)).votes().tolist() == [[1, 1, 0]]


@pytest.mark.slow
@settings(max_examples=60)
@given(elections())
def test_wrong_together_and_disagreement_are_those_of_a_loop_over_pairs(election):
    voted, target, classes = election
    votes, members = votes_of(voted, classes), len(voted)
    wrong = voting.wrong_share(votes, target)
    np.testing.assert_allclose(wrong, (voted != target).mean(0), atol=1e-15)
    pairs = list(itertools.product(range(members), repeat=2))
    both = np.mean([(voted[i] != target) & (voted[j] != target) for i, j in pairs], axis=0)
    np.testing.assert_allclose(wrong**2, both, atol=1e-14)
    # Tandem loss = mean error − variance of being wrong over members (Ortega et al. 2022).
    np.testing.assert_allclose(both, wrong - (voted != target).var(0), atol=1e-12)
    one_right = [(voted[i] == target) != (voted[j] == target) for i, j in pairs]
    np.testing.assert_allclose((voted != target).var(0), np.mean(one_right, axis=0) / 2, atol=1e-12)
    if members > 1:
        rest = [voted[i] != voted[j] for i, j in pairs if i != j]
        np.testing.assert_allclose(voting.disagreement(votes), np.mean(rest, axis=0), atol=1e-14)
    else:
        assert np.isnan(voting.disagreement(votes)).all()


@pytest.mark.slow
@given(elections())
def test_the_majority_is_scipys_mode_unless_there_is_a_tie(election):
    voted, target, classes = election
    votes = votes_of(voted, classes)
    wrong = voting.majority_wrong(votes, target)
    for n, row in enumerate(votes.tolist()):
        tied = [k for k, count in enumerate(row) if count == max(row)]
        if len(tied) == 1:
            assert wrong[n] == (mode(voted[:, n]).mode != target[n])
        else:
            assert wrong[n] == pytest.approx(1 - (target[n] in tied) / len(tied))


def test_a_drawn_majority_draws_only_ties_and_each_class_as_often():
    votes = np.tile([[2, 2, 0], [1, 3, 0]], (4000, 1))
    drawn = voting.drawn_majority(votes, np.random.default_rng(0))
    assert (drawn[1::2] == 1).all()
    assert set(drawn[::2]) == {0, 1}
    assert drawn[::2].mean() == pytest.approx(0.5, abs=0.03)
    wrong = voting.majority_wrong(votes, np.zeros(8000, int))
    assert (drawn != 0).mean() == pytest.approx(wrong.mean(), abs=0.02)
