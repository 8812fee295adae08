import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from jtdiag import families
from jtdiag.families.categorical import Categorical
from jtdiag.store.run import OutputBlock
from jtdiag_probes.conditioning import output_curvature
from jtdiag_probes.shared import class_logits, decomposition, outputs
from jtdiag_probes.shared.class_logits import ClassLogits


@st.composite
def ensembles(draw, least=1, largest=500.0):
    """Logits (M, n, K), mild, saturated or both, and classes (n,)."""
    shape = (draw(st.integers(least, 6)), draw(st.integers(1, 4)), draw(st.integers(2, 6)))
    element = st.one_of(
        st.floats(-largest, largest, width=64),
        st.floats(-3, 3, width=64),
        st.sampled_from([-largest, 0.0, largest]),
    )
    logits = draw(arrays(np.float64, shape, elements=element))
    target = draw(arrays(np.int64, shape[1], elements=st.integers(0, shape[2] - 1)))
    return logits, target


def assert_same(values, expected, logits):
    """Equal but for rounding, whose size is that of the logits."""
    atol = 1e-13 * max(1.0, float(np.abs(logits).max()))
    np.testing.assert_allclose(values, expected, rtol=1e-11, atol=atol)


@pytest.mark.slow
@given(ensembles())
def test_losses_and_divergences_are_those_of_the_decomposition(ensemble):
    logits, target = ensemble
    fast = ClassLogits(logits, target)
    losses = decomposition.cross_entropy(logits, target)
    assert_same(fast.member_losses, losses, logits)
    assert_same(fast.divergences, decomposition.member_divergences(logits), logits)
    for combiner in ("logits", "probabilities"):
        expected = decomposition.ensemble_loss(logits, target, combiner=combiner)
        assert_same(fast.of_target(fast.averaged(combiner)), expected, logits)


@pytest.mark.slow
@given(ensembles(largest=50.0))
def test_parts_of_the_diversity_are_those_of_the_decomposition(ensemble):
    logits, target = ensemble
    fast = ClassLogits(logits, target)
    size = logits * max(1.0, float(np.abs(logits).max()))
    assert_same(fast.quadratic_part(), decomposition.quadratic_part(logits), size)
    _, divergence, label_term = decomposition.probability_average(logits, target)
    assert_same(fast.mixture_terms()[0], divergence, logits)
    assert_same(fast.mixture_terms()[1], label_term, logits)


def test_a_class_that_no_member_believes_in_keeps_its_logarithm():
    logits = np.array([[[0.0, -900.0]], [[0.0, -800.0]]])
    fast = ClassLogits(logits, np.array([1]))
    assert fast.of_target(fast.log_mixture) == pytest.approx(800 + np.log(2), rel=1e-14)


@pytest.mark.slow
@given(ensembles(least=2))
def test_leaving_out_a_member_is_that_of_the_decomposition(ensemble):
    logits, target = ensemble
    expected = decomposition.leave_one_out(logits, target)
    assert_same(ClassLogits(logits, target).left_out(), expected, logits)


def test_a_single_member_cannot_be_left_out():
    fast = ClassLogits(np.zeros((1, 2, 3)), np.zeros(2, int))
    assert np.isnan(fast.left_out()).tolist() == [[True, True]]


@pytest.mark.slow
@given(ensembles())
def test_projections_and_products_are_those_of_centered_logits(ensemble):
    logits, target = ensemble
    fast, size = ClassLogits(logits, target), logits**2 * logits.shape[1]
    expected, norm = decomposition.logit_projections(logits)
    projections, own_norm = fast.projections()
    assert_same(projections, expected, size)
    assert_same(own_norm, norm, size)
    centered = logits - logits.mean(-1, keepdims=True)
    products = np.einsum("nk,mnl->mkl", centered.mean(0), centered)
    assert_same(fast.products(), products, size)
    by_class = np.zeros((logits.shape[2], logits.shape[0]))
    for n, each in enumerate(target):
        by_class[each] += centered[:, n] @ centered.mean(0)[n]
    assert_same(fast.projections_by_class(), by_class, size)


@pytest.mark.slow
@given(ensembles())
def test_the_gini_index_is_as_precise_for_certain_predictions(ensemble):
    logits, target = ensemble
    values = ClassLogits(logits, target).gini()
    np.testing.assert_allclose(values, output_curvature.gini(logits), rtol=1e-10)


def test_of_equal_logits_only_the_first_counts_as_the_largest():
    logits = np.array([[[2.0, 2.0, 0.0]], [[1.0, 3.0, 3.0]]])
    fast = ClassLogits(logits, np.array([0]))
    assert fast.votes().tolist() == [[1, 1, 0]]
    assert fast.are_wrong().tolist() == [[False], [True]]
    assert fast.gini() == pytest.approx(output_curvature.gini(logits), rel=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_a_diverged_member_takes_part_in_is_not_a_number(bad):
    logits = np.random.default_rng(0).normal(size=(3, 2, 4))
    logits[1, 0, 2] = bad
    with np.errstate(invalid="ignore"):  # inf − inf
        fast = ClassLogits(logits, np.array([2, 1]))
    assert np.isnan(fast.member_losses).tolist() == [[False] * 2, [True, False], [False] * 2]
    assert np.isnan(fast.of_target(fast.log_ensemble)).tolist() == [True, False]
    assert np.isnan(fast.of_target(fast.log_mixture)).tolist() == [True, False]
    assert fast.is_wrong(fast.log_ensemble)[0]
    assert fast.votes().sum(1).tolist() == [2, 3]
    assert fast.are_wrong()[1, 0]


def test_only_the_likelihood_of_classes_itself_is_computed_in_this_way():
    class Smoothed(Categorical):
        """A user's likelihood of classes."""

    assert class_logits.is_for(families.find("categorical"))
    assert not class_logits.is_for(Smoothed())
    assert not class_logits.is_for(families.find("gaussian"))


def test_pieces_of_blocks_are_the_blocks(monkeypatch):
    monkeypatch.setattr(outputs, "CELLS", 2 * 3 * 4)
    logits, target = np.random.default_rng(0).normal(size=(3, 11, 2)), np.arange(11)
    blocks = [
        OutputBlock(logits=logits[:, :6], target=target[:6], start=0),
        OutputBlock(logits=logits[:, 6:], target=target[6:], start=6),
    ]
    several = list(outputs.pieces(blocks))
    assert [piece.start for piece in several] == [0, 4, 6, 10]
    np.testing.assert_array_equal(np.concatenate([p.logits for p in several], 1), logits)
    np.testing.assert_array_equal(np.concatenate([p.target for p in several]), target)
