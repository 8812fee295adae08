import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import logsumexp

from jtdiag import joint_loss
from jtdiag.families.gaussian import FAMILY as GAUSSIAN
from jtdiag_probes.shared import decomposition

LAM = st.one_of(st.sampled_from([0.0, 0.9, 1.0]), st.floats(0, 1))


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


def some_logits(members=4, examples=7, classes=5, scale=2.0):
    random = np.random.default_rng(3)
    return (
        random.normal(0, scale, (members, examples, classes)),
        random.integers(0, classes, examples),
    )


def softmax(row):
    """One row of probabilities, by the definition."""
    shifted = [math.exp(value - max(row)) for value in row]
    return [value / sum(shifted) for value in shifted]


# --- losses ---------------------------------------------------------------------------------------


def test_cross_entropy_is_torchs():
    logits, target = some_logits()
    theirs = torch.stack(
        [
            torch.nn.functional.cross_entropy(
                torch.from_numpy(member), torch.from_numpy(target), reduction="none"
            )
            for member in logits
        ]
    )
    np.testing.assert_allclose(
        decomposition.cross_entropy(logits, target), theirs.numpy(), rtol=1e-13
    )


def test_cross_entropy_of_a_saturated_prediction_is_exact():
    logits = np.array([[500.0, -500.0, 0.0]])
    assert decomposition.cross_entropy(logits, np.array([1])).tolist() == [1000.0]
    assert decomposition.cross_entropy(logits, np.array([0])).tolist() == [0.0]


@pytest.mark.slow
@given(ensembles(), LAM)
def test_equation_4_and_equation_5_agree_at_any_logits(ensemble, lam):
    logits, target = ensemble
    losses = decomposition.cross_entropy(logits, target)
    eq4 = decomposition.joint_loss_eq4(logits, target, lam)
    eq5 = decomposition.joint_loss_eq5(losses, decomposition.member_divergences(logits), lam)
    assert (np.abs(eq4 - eq5) <= 1e-12 * np.maximum(1, losses.max(0))).all()


@pytest.mark.slow
@given(ensembles(), LAM)
def test_both_equations_are_the_loss_that_the_engine_descends(ensemble, lam):
    logits, target = ensemble
    engine = float(joint_loss(torch.from_numpy(logits), torch.from_numpy(target), lam))
    losses = decomposition.cross_entropy(logits, target)
    eq4 = decomposition.joint_loss_eq4(logits, target, lam).mean()
    eq5 = decomposition.joint_loss_eq5(losses, decomposition.member_divergences(logits), lam).mean()
    size = max(1.0, losses.max())
    assert eq4 == pytest.approx(engine, abs=1e-12 * size)
    assert eq5 == pytest.approx(engine, abs=1e-12 * size)


def test_in_float32_the_equations_agree_to_rounding():
    logits, target = some_logits()
    single = logits.astype(np.float32)
    losses = decomposition.cross_entropy(single, target)
    eq4 = decomposition.joint_loss_eq4(single, target, 0.9)
    eq5 = decomposition.joint_loss_eq5(losses, decomposition.member_divergences(single), 0.9)
    np.testing.assert_allclose(eq4, eq5, rtol=2e-6)
    np.testing.assert_allclose(eq4, decomposition.joint_loss_eq4(logits, target, 0.9), rtol=1e-5)


# --- diversity ------------------------------------------------------------------------------------


@pytest.mark.slow
@given(ensembles())
def test_mean_divergence_is_mean_logsumexp_minus_logsumexp_of_the_mean(ensemble):
    logits, _ = ensemble
    diversity = decomposition.member_divergences(logits).mean(0)
    closed = logsumexp(logits, axis=-1).mean(0) - logsumexp(logits.mean(0), axis=-1)
    np.testing.assert_allclose(diversity, closed, rtol=0, atol=1e-12 * max(1, np.abs(logits).max()))


@pytest.mark.slow
@given(ensembles())
def test_mean_divergence_is_mean_member_loss_minus_ensemble_loss(ensemble):
    logits, target = ensemble
    losses = decomposition.cross_entropy(logits, target)
    gap = losses.mean(0) - decomposition.cross_entropy(logits.mean(0), target)
    diversity = decomposition.member_divergences(logits).mean(0)
    assert (np.abs(diversity - gap) <= 1e-12 * np.maximum(1, losses.max(0))).all()


@pytest.mark.slow
@given(ensembles())
def test_no_divergence_is_negative_beyond_rounding(ensemble):
    assert (decomposition.member_divergences(ensemble[0]) >= -1e-12).all()


def test_divergences_are_the_definition_written_out():
    logits, _ = some_logits(members=3, examples=2, classes=4)
    values = decomposition.member_divergences(logits)
    for n in range(2):
        bar = softmax([sum(logits[j, n, k] for j in range(3)) / 3 for k in range(4)])
        for j in range(3):
            q = softmax(logits[j, n].tolist())
            by_hand = sum(bar[k] * math.log(bar[k] / q[k]) for k in range(4))
            assert values[j, n] == pytest.approx(by_hand, rel=1e-12)


def test_the_ensemble_comes_first_in_the_divergence_as_in_torch():
    logits, _ = some_logits()
    log_q = torch.log_softmax(torch.from_numpy(logits), -1)
    log_bar = torch.log_softmax(torch.from_numpy(logits).mean(0), -1)
    theirs = torch.nn.functional.kl_div(
        log_q, log_bar.expand_as(log_q), reduction="none", log_target=True
    ).sum(-1)
    np.testing.assert_allclose(decomposition.member_divergences(logits), theirs.numpy(), rtol=1e-11)


def test_two_members_sure_of_opposites_diverge_by_500_nats_less_log_2():
    logits = np.array([[[500.0, -500.0]], [[-500.0, 500.0]]])
    np.testing.assert_allclose(
        decomposition.member_divergences(logits), 500 - math.log(2), rtol=1e-15
    )


def test_members_that_agree_have_no_diversity():
    logits = np.broadcast_to(some_logits()[0][:1], (4, 7, 5))
    np.testing.assert_allclose(decomposition.member_divergences(logits), 0, atol=1e-15)


# --- leave one out --------------------------------------------------------------------------------


@pytest.mark.slow
@given(ensembles(least=2))
def test_leaving_one_out_is_the_loss_without_it_minus_the_loss_with_it(ensemble):
    logits, target = ensemble
    values = decomposition.leave_one_out(logits, target)
    whole = decomposition.cross_entropy(logits.mean(0), target)
    for j in range(len(logits)):
        rest = np.delete(logits, j, axis=0).mean(0)
        expected = decomposition.cross_entropy(rest, target) - whole
        np.testing.assert_allclose(values[j], expected, rtol=0, atol=1e-10)


def test_an_only_member_cannot_be_left_out():
    logits, target = some_logits(members=1)
    assert np.isnan(decomposition.leave_one_out(logits, target)).all()


def test_leaving_out_the_one_member_that_knows_costs_what_it_knew():
    knows, guesses = [[3.0, 0.0]], [[0.0, 0.0]]
    values = decomposition.leave_one_out(np.array([knows, guesses]), np.array([0]))
    with_both = math.log1p(math.exp(-1.5))
    assert values[0, 0] == pytest.approx(math.log(2) - with_both, rel=1e-14)
    assert values[1, 0] == pytest.approx(math.log1p(math.exp(-3)) - with_both, rel=1e-14)


# --- shares ---------------------------------------------------------------------------------------


@pytest.mark.slow
@given(ensembles())
def test_logit_shares_add_up_to_1(ensemble):
    logits, _ = ensemble
    projections, norm = decomposition.logit_projections(logits)
    size = np.abs(logits).max() ** 2 * logits.size
    assert projections.sum() == pytest.approx(len(logits) * norm, abs=1e-13 * max(size, 1e-300))


def test_projections_are_the_definition_written_out():
    logits, _ = some_logits(members=3, examples=2, classes=4)
    values, norm = decomposition.logit_projections(logits)
    expected, expected_norm = [0.0] * 3, 0.0
    for n in range(2):
        rows = [[v - sum(row) / 4 for v in row] for row in logits[:, n].tolist()]
        mean = [sum(row[k] for row in rows) / 3 for k in range(4)]
        expected_norm += sum(v * v for v in mean)
        for j in range(3):
            expected[j] += sum(a * b for a, b in zip(rows[j], mean, strict=True))
    np.testing.assert_allclose(values, expected, rtol=1e-13)
    assert norm == pytest.approx(expected_norm, rel=1e-13)


def test_projections_of_chunks_add_up():
    logits, _ = some_logits(examples=7)
    whole, norm = decomposition.logit_projections(logits)
    parts = [decomposition.logit_projections(logits[:, a:b]) for a, b in ((0, 3), (3, 4), (4, 7))]
    np.testing.assert_allclose(sum(p for p, _ in parts), whole, rtol=1e-13)
    assert sum(n for _, n in parts) == pytest.approx(norm, rel=1e-13)


def test_a_shift_of_all_logits_of_a_member_changes_no_share():
    logits, _ = some_logits()
    shifted = logits + np.array([5.0, -3.0, 0.0, 1.0])[:, None, None]
    for ours, theirs in zip(
        decomposition.logit_projections(shifted),
        decomposition.logit_projections(logits),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_a_member_twice_as_sure_has_twice_the_share():
    member = some_logits(members=1)[0][0]
    projections, norm = decomposition.logit_projections(np.stack([2 * member, member, 0 * member]))
    np.testing.assert_allclose(projections / (3 * norm), [2 / 3, 1 / 3, 0], atol=1e-14)


# --- effective members ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shares", "effective"),
    [
        ([0.25, 0.25, 0.25, 0.25], 4),
        ([0, 1, 0, 0], 1),
        ([0.5, 0, 0.5, 0], 2),
        ([1.5, -0.5, 0, 0], 1),
        ([2, 1, 0, 0], 9 / 5),
        ([1], 1),
    ],
)
def test_effective_members_are_the_inverse_sum_of_squared_shares(shares, effective):
    values = decomposition.effective_members(np.array(shares, float))
    assert values == pytest.approx(effective, rel=1e-14)


@pytest.mark.slow
@settings(max_examples=50)
@given(arrays(np.float64, (3, 5), elements=st.floats(-1, 10, width=32)))
def test_effective_members_lie_between_1_and_all(shares):
    shares[:, 0] = np.abs(shares[:, 0]) + 0.01
    values = decomposition.effective_members(shares)
    assert values.shape == (3,)
    assert (values >= 1 - 1e-12).all()
    assert (values <= 5 + 1e-12).all()


def test_unknown_shares_give_an_unknown_number_of_effective_members():
    assert np.isnan(decomposition.effective_members(np.full((2, 3), np.nan))).all()


# --- to second order ------------------------------------------------------------------------------


def test_the_quadratic_part_is_the_definition_written_out():
    logits, _ = some_logits(members=3, examples=2, classes=4)
    values = decomposition.quadratic_part(logits)
    for n in range(2):
        mean = logits[:, n].mean(0)
        q_bar = np.array(softmax(mean.tolist()))
        sigma = np.diag(q_bar) - np.outer(q_bar, q_bar)
        by_hand = [0.5 * d @ sigma @ d for d in logits[:, n] - mean]
        assert values[n] == pytest.approx(sum(by_hand) / 3, rel=1e-12)


def test_for_members_that_lie_close_the_quadratic_part_is_the_diversity():
    member, _ = some_logits(members=1)
    for spread, near in ((1e-2, 1e-1), (1e-3, 1e-2)):
        logits = member + spread * some_logits(members=5)[0]
        diversity = decomposition.member_divergences(logits).mean(0)
        np.testing.assert_allclose(decomposition.quadratic_part(logits), diversity, rtol=near)


@pytest.mark.slow
@given(ensembles())
def test_the_quadratic_part_is_never_negative_and_bears_any_logits(ensemble):
    values = decomposition.quadratic_part(ensemble[0])
    assert (values >= 0).all()
    assert np.isfinite(values).all()


# --- the mean of probabilities --------------------------------------------------------------------


def test_the_probability_average_is_the_definition_written_out():
    logits, target = some_logits(members=3, examples=2, classes=4)
    loss, divergence, label_term = decomposition.probability_average(logits, target)
    for n, y in enumerate(target):
        q = np.array([softmax(row.tolist()) for row in logits[:, n]])
        hat = q.mean(0)
        log_ratio = np.log(hat) - np.log(q).mean(0)
        assert loss[n] == pytest.approx(-math.log(hat[y]), rel=1e-12)
        assert divergence[n] == pytest.approx(
            np.mean([(hat * np.log(hat / member)).sum() for member in q]), rel=1e-12
        )
        assert label_term[n] == pytest.approx(log_ratio @ (np.eye(4)[y] - hat), abs=1e-12)


@pytest.mark.slow
@given(ensembles())
def test_loss_divergence_and_label_term_add_up_to_the_members_mean_loss(ensemble):
    logits, target = ensemble
    members = decomposition.cross_entropy(logits, target)
    loss, divergence, label_term = decomposition.probability_average(logits, target)
    off = np.abs(loss + divergence + label_term - members.mean(0))
    assert (off <= 1e-12 * np.maximum(1, members.max(0))).all()
    assert (divergence >= -1e-12 * np.maximum(1, np.abs(logits).max())).all()
    assert (loss <= members.mean(0) + 1e-12 * np.maximum(1, members.max(0))).all()


def test_the_loss_of_the_probability_average_is_torchs():
    logits, target = some_logits()
    mean = torch.softmax(torch.from_numpy(logits), -1).mean(0)
    theirs = torch.nn.functional.nll_loss(mean.log(), torch.from_numpy(target), reduction="none")
    np.testing.assert_allclose(
        decomposition.probability_average(logits, target)[0], theirs.numpy(), rtol=1e-12
    )


# --- quickly: both combiners, classes and real numbers ---------------------------------------


def some_numbers(members=4, examples=7, outputs=3):
    """Predictions (M, n, K) and targets (n, K) of real numbers."""
    random = np.random.default_rng(5)
    return random.normal(0, 1, (members, examples, outputs)), random.normal(
        size=(examples, outputs)
    )


def densities(logits, target, family=None):
    """The members' probabilities, or densities, of the targets, (M, n)."""
    if family is GAUSSIAN:
        return np.exp(-0.5 * ((logits - target) ** 2).sum(-1))
    exponential = np.exp(logits)
    return (exponential / exponential.sum(-1, keepdims=True))[:, np.arange(len(target)), target]


CLASSES, NUMBERS = (), (GAUSSIAN,)


@pytest.mark.parametrize(("case", "family"), [(some_logits, CLASSES), (some_numbers, NUMBERS)])
def test_losses_of_members_and_ensemble_are_those_of_their_densities(case, family):
    logits, target = case()
    density = densities(logits, target, *family)
    of_mean = densities(logits.mean(0, keepdims=True), target, *family)[0]
    losses = decomposition.cross_entropy(logits, target, *family)
    np.testing.assert_allclose(losses, -np.log(density), rtol=1e-12)
    for combiner, ensemble in (("logits", of_mean), ("probabilities", density.mean(0))):
        loss = decomposition.ensemble_loss(logits, target, *family, combiner=combiner)
        np.testing.assert_allclose(loss, -np.log(ensemble), rtol=1e-12)
        for lam in (0.0, 0.25, 1.0):
            eq4 = decomposition.joint_loss_eq4(logits, target, lam, *family, combiner=combiner)
            expected = -lam * np.log(ensemble) - (1 - lam) * np.log(density).mean(0)
            np.testing.assert_allclose(eq4, expected, rtol=1e-12)
    default = decomposition.ensemble_loss(logits, target, *family)
    np.testing.assert_allclose(default, -np.log(of_mean), rtol=1e-12)
    eq4 = decomposition.joint_loss_eq4(logits, target, 1.0, *family)
    np.testing.assert_allclose(eq4, -np.log(of_mean), rtol=1e-12)


@pytest.mark.parametrize(("case", "family"), [(some_logits, CLASSES), (some_numbers, NUMBERS)])
def test_both_equations_agree_for_both_combiners(case, family):
    logits, target = case()
    losses = decomposition.cross_entropy(logits, target, *family)
    for combiner, divergences in (
        ("logits", decomposition.member_divergences(logits, *family)),
        ("probabilities", decomposition.label_dependent_divergences(logits, target, *family)),
    ):
        for lam in (0.25, 1.0):
            eq5 = decomposition.joint_loss_eq5(losses, divergences, lam)
            eq4 = decomposition.joint_loss_eq4(logits, target, lam, *family, combiner=combiner)
            np.testing.assert_allclose(eq5, eq4, rtol=1e-12)


def test_label_dependent_divergences_are_log_ratios_at_the_target():
    for case, family in ((some_logits, CLASSES), (some_numbers, NUMBERS)):
        logits, target = case()
        density = densities(logits, target, *family)
        np.testing.assert_allclose(
            decomposition.label_dependent_divergences(logits, target, *family),
            np.log(density.mean(0) / density),
            atol=1e-12,
        )


@pytest.mark.parametrize("members", [2, 4])
@pytest.mark.parametrize(("case", "family"), [(some_logits, CLASSES), (some_numbers, NUMBERS)])
def test_leaving_one_out_is_the_loss_of_the_others(case, family, members):
    logits, target = case(members)
    for combiner in ("logits", "probabilities"):
        values = decomposition.leave_one_out(logits, target, *family, combiner=combiner)
        assert values.shape == (members, 7)
        whole = decomposition.ensemble_loss(logits, target, *family, combiner=combiner)
        for j in range(members):
            others = np.delete(logits, j, axis=0)
            rest = decomposition.ensemble_loss(others, target, *family, combiner=combiner)
            np.testing.assert_allclose(values[j], rest - whole, atol=1e-12)


def test_an_only_member_cannot_be_left_out_of_a_mixture():
    logits, target = some_logits(members=1)
    values = decomposition.leave_one_out(logits, target, combiner="probabilities")
    assert values.shape == (1, 7)
    assert np.isnan(values).all()


def test_leaving_out_a_member_that_dominates_the_mixture_loses_no_digits():
    """Probabilities of 1, e^−600 and e^−600 / 3: subtracting the first would leave nothing."""
    log_q = np.array([[0.0], [-600.0], [-600.0 - math.log(3)]])
    logits = np.concatenate([log_q, [[-800.0], [0.0], [0.0]]], -1)[:, None]
    values = decomposition.leave_one_out(logits, np.array([0]), combiner="probabilities")
    of_mixture = math.log(3)  # −log of a third
    assert values[0, 0] == pytest.approx(600 - math.log(2 / 3) - of_mixture, rel=1e-14)
    assert values[1, 0] == pytest.approx(math.log(2) - of_mixture, rel=1e-14)
    assert values[2, 0] == pytest.approx(math.log(2) - of_mixture, rel=1e-14)


def test_the_logit_shares_of_numbers_are_not_centered():
    logits, _ = some_numbers()
    projections, norm = decomposition.logit_projections(logits, GAUSSIAN)
    mean = logits.mean(0)
    np.testing.assert_allclose(projections, (logits * mean).sum((1, 2)), rtol=1e-12)
    assert norm == pytest.approx((mean**2).sum(), rel=1e-12)


def test_the_quadratic_part_of_numbers_is_half_their_spread():
    logits, _ = some_numbers()
    spread = 0.5 * ((logits - logits.mean(0)) ** 2).sum(-1).mean(0)
    np.testing.assert_allclose(decomposition.quadratic_part(logits, GAUSSIAN), spread, rtol=1e-12)
    np.testing.assert_allclose(
        decomposition.member_divergences(logits, GAUSSIAN).mean(0), spread, rtol=1e-12
    )


def test_of_a_mixture_of_densities_only_the_loss_is_known():
    logits, target = some_numbers()
    loss, divergence, label_term = decomposition.probability_average(logits, target, GAUSSIAN)
    mixture = densities(logits, target, GAUSSIAN).mean(0)
    np.testing.assert_allclose(loss, -np.log(mixture), rtol=1e-12)
    for unknown in (divergence, label_term):
        assert unknown.shape == (7,)
        assert np.isnan(unknown).all()


def test_the_terms_of_the_probability_average_add_up():
    logits, target = some_logits()
    terms = decomposition.probability_average(logits, target)
    members = decomposition.cross_entropy(logits, target).mean(0)
    np.testing.assert_allclose(sum(terms), members, rtol=1e-12)


def test_arrays_that_must_not_be_written_are_read():
    logits, target = some_logits()
    expected = decomposition.cross_entropy(logits, target)
    for array in (logits, target):
        array.flags.writeable = False
    np.testing.assert_array_equal(decomposition.cross_entropy(logits, target), expected)


def test_effective_members_are_those_of_every_row():
    shares = np.array([[0.5, 0.5, 0.0], [2.0, -1.0, 0.0]])
    np.testing.assert_allclose(decomposition.effective_members(shares), [2, 1], rtol=1e-14)
