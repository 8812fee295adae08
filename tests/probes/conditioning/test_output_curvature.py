import itertools
from dataclasses import replace

import mpmath
import numpy as np
import pytest
from scipy.special import softmax

from jtdiag_probes.conditioning.output_curvature import (
    Curvature,
    Extremes,
    Spectrum,
    anisotropy,
    categorical,
    gini,
    group_size,
)
from jtdiag_probes.linalg import coupled_blocks

SHAPES = [(4, 5), (2, 3), (3, 2), (6, 4)]
LAMS = [0.0, 0.3, 0.9, 0.999]


def covariance(logits):
    q = softmax(logits)
    return np.diag(q) - np.outer(q, q)


def dense(logits, lam):
    """The dense Hessian of one example with respect to the outputs (M, K)."""
    members, classes = logits.shape
    hessian = lam / members**2 * np.kron(np.ones((members, members)), covariance(logits.mean(0)))
    for j in range(members):
        block = slice(j * classes, (j + 1) * classes)
        hessian[block, block] += (1 - lam) / members * covariance(logits[j])
    return hessian


def logits_of(members, classes, examples=5, scale=1.5):
    return scale * np.random.default_rng(members).normal(size=(members, examples, classes))


def eigenvalues(logits, lam):
    """Eigenvalues that are nonzero in theory, in ascending order."""
    members, classes = logits.shape
    rank = classes - 1 if lam == 1 else members * (classes - 1)
    return np.linalg.eigvalsh(dense(logits, lam))[-rank:]


@pytest.mark.parametrize("lam", [*LAMS, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_both_ends_of_the_spectrum_are_those_of_the_dense_hessian(shape, lam):
    logits = logits_of(*shape)
    extremes = Spectrum(categorical(logits)).extremes(lam)
    for i in range(logits.shape[1]):
        expected = eigenvalues(logits[:, i], lam)
        assert extremes.smallest[i] == pytest.approx(expected[0], rel=1e-9)
        assert extremes.largest[i] == pytest.approx(expected[-1], rel=1e-10)
        assert extremes.kappa[i] == pytest.approx(expected[-1] / expected[0], rel=1e-9)


@pytest.mark.parametrize("lam", [0.0, 0.5, 1.0])
def test_what_is_left_out_is_the_null_space_and_nothing_else(lam):
    logits = logits_of(4, 5)[:, 0]
    everything = np.linalg.eigvalsh(dense(logits, lam))
    assert (everything > 1e-12).sum() == (4 if lam == 1 else 16)
    shifts = np.kron(np.eye(4), np.ones((5, 1)))
    np.testing.assert_allclose(dense(logits, lam) @ shifts, 0, atol=1e-15)


@pytest.mark.parametrize("lam", [0.0, 0.5, 0.99])
def test_where_all_members_agree_kappa_is_that_of_one_over_one_minus_lam(lam):
    logits = np.repeat(logits_of(1, 5), 4, axis=0)
    spectra = [np.linalg.eigvalsh(covariance(logits[0, i])) for i in range(5)]
    expected = [s[-1] / ((1 - lam) * s[1]) for s in spectra]
    np.testing.assert_allclose(Spectrum(categorical(logits)).extremes(lam).kappa, expected, 1e-10)


@pytest.mark.parametrize("lam", [0.0, 0.5, 0.9, 0.999])
def test_for_squared_error_kappa_is_one_over_one_minus_lam(lam):
    eye = np.broadcast_to(np.eye(3), (2, 5, 3, 3))
    gaussian = Curvature(
        members=eye,
        members_inverse=eye,
        ensemble_root=eye[:, 0],
        ensemble_inverse=eye[:, 0],
        members_singular=np.zeros(2, bool),
        ensemble_singular=np.zeros(2, bool),
        undefined=np.zeros(2, bool),
    )
    extremes = Spectrum(gaussian).extremes(lam)
    np.testing.assert_allclose(extremes.kappa, 1 / (1 - lam), rtol=1e-11)
    np.testing.assert_allclose(extremes.largest, 1 / 5, rtol=1e-11)


@pytest.mark.parametrize("rare", [1e-3, 1e-12, 1e-40, 1e-200])
def test_confident_predictions_keep_their_precision(rare):
    """For q = (1−2t, t, t) the eigenvalues are t and 3t − 6t², far below float64 precision."""
    logits = np.log(np.array([1 - 2 * rare, rare, rare]))[None, None].repeat(3, 0)
    logits[1] += 7.0  # a private shift changes nothing
    extremes = Spectrum(categorical(logits)).extremes(0.9)
    assert extremes.smallest[0] == pytest.approx(0.1 * rare / 3, rel=1e-9)
    assert extremes.largest[0] == pytest.approx((3 * rare - 6 * rare**2) / 3, rel=1e-9)


def test_one_confident_member_among_others_keeps_a_small_relative_error():
    """With two classes the matrix is M x M; its smallest eigenvalue from its determinant."""
    rare, lam = 1e-30, 0.5
    logits = np.array([[[0.0, np.log(rare)]], [[0.3, 0.0]]])
    s = [2 * np.prod(softmax(logits_j[0])) for logits_j in (*logits, logits.mean(0))]
    separate, shared = (1 - lam) / 2 * np.array(s[:2]), lam / 4 * s[2]
    determinant = separate[0] * separate[1] + shared * separate.sum()
    trace = separate.sum() + 2 * shared
    extremes = Spectrum(categorical(logits)).extremes(lam)
    assert extremes.smallest[0] * extremes.largest[0] == pytest.approx(determinant, rel=1e-9)
    assert extremes.smallest[0] + extremes.largest[0] == pytest.approx(trace, rel=1e-9)


def differently_saturated(members, classes, examples, most):
    """Logits of members whose certainty differs by orders of magnitude, (M, n, K)."""
    rng = np.random.default_rng(members * classes)
    certainty = np.exp(rng.uniform(np.log(2), np.log(most), (members, examples, 1)))
    logits = rng.normal(size=(members, examples, classes))
    logits[:, np.arange(examples), rng.integers(classes, size=examples)] += 1.5
    return certainty * logits


def kappa_with_many_bits(logits, lam, bits=256):
    """κ⁺ of one example, logits (M, K), from the dense Hessian in high precision."""
    members, classes = logits.shape
    with mpmath.workprec(bits):
        eta = mpmath.matrix(logits.tolist())
        rows = [[eta[j, k] for k in range(classes)] for j in range(members)]
        mean = [mpmath.fsum(column) / members for column in zip(*rows, strict=True)]
        *own, shared = (_without_shifts_with_many_bits(row) for row in (*rows, mean))
        lam, size = mpmath.mpf(lam), classes - 1
        hessian = mpmath.zeros(members * size)
        for i, j, a, b in itertools.product(*[range(members)] * 2, *[range(size)] * 2):
            block = (1 - lam) / members * own[i][a, b] if i == j else 0
            hessian[i * size + a, j * size + b] = lam / members**2 * shared[a, b] + block
        spectrum = sorted(mpmath.eigsy(hessian, eigvals_only=True))
        return float(spectrum[-1] / spectrum[0])


def _without_shifts_with_many_bits(logits):
    """The covariance of a prediction in Helmert's K−1 orthonormal contrasts."""
    classes = len(logits)
    weights = [mpmath.exp(value) for value in logits]
    q = [weight / mpmath.fsum(weights) for weight in weights]
    sigma = mpmath.matrix(classes)
    for a, b in itertools.product(range(classes), repeat=2):
        sigma[a, b] = (q[a] if a == b else 0) - q[a] * q[b]
    contrasts = mpmath.zeros(classes, classes - 1)
    for c in range(classes - 1):
        length = mpmath.sqrt((c + 1) * (c + 2))
        for a in range(c + 1):
            contrasts[a, c] = 1 / length
        contrasts[c + 1, c] = -(c + 1) / length
    return contrasts.T * sigma * contrasts


@pytest.mark.slow
@pytest.mark.parametrize("lam", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("shape", [(2, 3), (4, 4), (8, 3), (3, 7)])
def test_members_saturated_to_different_degrees_agree_with_256_bits(shape, lam):
    logits = differently_saturated(*shape, examples=9, most=25)
    kappa = Spectrum(categorical(logits)).extremes(lam).kappa
    expected = np.array([kappa_with_many_bits(logits[:, i], lam) for i in range(9)])
    assert np.isfinite(kappa[expected < 1e13]).all()
    finite = np.isfinite(kappa)
    np.testing.assert_allclose(kappa[finite], expected[finite], rtol=1e-3)


def test_what_the_inverses_lose_is_computed_from_the_matrix_itself():
    """A member with a probability of e^−620, which has no inverse, among 63 that have."""
    logits = np.tile([0.0, 9.8, 5.0], (64, 1, 1))
    logits[0, 0, 1] = -620.0
    spectrum = Spectrum(categorical(logits))
    assert np.isinf(spectrum.extremes(0.0).kappa).all()
    for lam in (0.3, 0.9):
        expected = eigenvalues(logits[:, 0], lam)
        kappa = spectrum.extremes(lam).kappa[0]
        assert kappa == pytest.approx(expected[-1] / expected[0], rel=1e-6)


def test_what_float64_cannot_tell_from_zero_is_infinite():
    logits = np.array([[[0.0, -800.0, -3.0]], [[0.0, 1.0, 2.0]]])
    assert np.isinf(Spectrum(categorical(logits)).extremes(0.5).kappa).all()
    diverged = np.concatenate([logits, 1e30 * logits + [0, 1e31, 0]], 1)
    diverged[0, 0] = np.nan, 0.0, 1.0
    for lam in (0.0, 0.5, 1.0):
        assert np.isinf(Spectrum(categorical(diverged)).extremes(lam).kappa).all()


def test_a_quantile_that_unresolved_examples_may_change_is_infinite():
    ones = np.ones(5)
    extremes = Extremes(
        smallest=np.array([1.0, 0.5, 1e-20, 1e-21, 1e-9]),
        largest=ones,
        rounding=np.array([0.0, 0.0, 0.0, 0.0, 1.0]),
        resolved=1e12,
    )
    np.testing.assert_array_equal(extremes.quantiles([0.2, 0.4, 0.6]), [1, 2, np.inf])
    resolved = replace(extremes, rounding=0 * ones)
    np.testing.assert_allclose(resolved.quantiles([0.2, 0.4, 0.6, 0.8]), [1, 2, 1e9, 1e20])


@pytest.mark.parametrize("shape", SHAPES)
def test_kappa_tends_to_its_limit_over_one_minus_lam(shape):
    spectrum = Spectrum(categorical(logits_of(*shape)))
    off = [
        (1 - lam) * spectrum.extremes(lam).kappa / spectrum.limit() - 1
        for lam in (1 - 1e-5, 1 - 1e-7)
    ]
    assert np.abs(off[1]).max() < 1e-6
    assert np.abs(off[1]).max() < np.abs(off[0]).max() / 50


def test_the_limit_is_that_of_the_projected_blocks():
    logits = logits_of(4, 5)
    null = np.linalg.eigh(dense(logits[:, 0], 1.0))[1][:, :-4]
    blocks = np.zeros((20, 20))
    for j in range(4):
        blocks[5 * j : 5 * j + 5, 5 * j : 5 * j + 5] = covariance(logits[j, 0]) / 4
    mu = np.linalg.eigvalsh(null.T @ blocks @ null)
    most = np.linalg.eigvalsh(covariance(logits[:, 0].mean(0)))[-1]
    expected = most / (4 * mu[mu > 1e-12].min())
    assert Spectrum(categorical(logits)).limit()[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("lam", LAMS)
def test_both_ends_are_within_their_bounds(lam):
    logits = logits_of(4, 5)
    extremes = Spectrum(categorical(logits)).extremes(lam)
    for i in range(5):
        sigma = [covariance(logits_j) for logits_j in logits[:, i]]
        spectra = [np.linalg.eigvalsh(sigma_j) for sigma_j in sigma]
        a = min(s[1] for s in spectra)
        pairs = itertools.combinations(sigma, 2)
        b = min(np.linalg.eigvalsh(left + right)[1] / 2 for left, right in pairs)
        top = np.linalg.eigvalsh(covariance(logits[:, i].mean(0)))[-1]
        assert (1 - lam) * a / 4 - 1e-12 <= extremes.smallest[i] <= (1 - lam) * b / 4 + 1e-12
        upper = lam * top / 4 + (1 - lam) / 4 * max(s[-1] for s in spectra)
        assert lam * top / 4 - 1e-12 <= extremes.largest[i] <= upper + 1e-12 <= 1 / 8 + 1e-12


def test_one_member_is_as_well_conditioned_at_every_lam():
    spectrum = Spectrum(categorical(logits_of(1, 4)))
    np.testing.assert_allclose(spectrum.extremes(0.9).kappa, spectrum.extremes(0).kappa, 1e-12)
    assert np.isnan(spectrum.limit()).all()


def test_a_single_block_is_refused():
    with pytest.raises(ValueError, match="one block"):
        coupled_blocks.smallest(np.ones((1, 1, 2)), np.ones((1, 1, 2, 2)), np.eye(2)[None])


@pytest.mark.parametrize("lam", [0.0, 0.5, 0.9, 0.99])
def test_anisotropy_is_the_ratio_of_mean_curvatures(lam):
    logits = logits_of(6, 4)[:, 0]
    together = np.kron(np.full((6, 6), 1 / 6), np.eye(4))
    hessian = dense(logits, lam)
    along = np.trace(together @ hessian) / 4
    across = np.trace((np.eye(24) - together) @ hessian) / 20
    ratio = anisotropy(np.array(lam), gini(logits.mean(0)), gini(logits).mean())
    assert ratio == pytest.approx(along / across, abs=1e-10)


def test_anisotropy_is_infinite_at_the_end():
    assert anisotropy(np.array(1.0), 0.3, 0.2) == np.inf


def test_gini_keeps_its_precision_for_confident_predictions():
    logits = np.log(np.array([1.0, 1e-30, 2e-30]))
    assert gini(logits) == pytest.approx(6e-30, rel=1e-12)
    q = softmax(logits_of(3, 4), -1)
    np.testing.assert_allclose(gini(logits_of(3, 4)), 1 - (q**2).sum(-1), atol=1e-15)


@pytest.mark.parametrize(
    ("members", "lam", "expected"),
    [
        (256, 0.5, 2.0),
        (256, 0.8, 4.9),
        (256, 0.9, 9.7),
        (256, 0.95, 18.6),
        (256, 0.99, 72),
        (64, 0.99, 39),
        (16, 0.99, 13.9),
        (4, 0.9, 3.1),
        (5, 0.0, 1),
        (5, 1.0, 5),
    ],
)
def test_the_group_size_is_that_of_the_table(members, lam, expected):
    assert group_size(lam, members) == pytest.approx(expected, rel=0.01)


def test_the_group_size_is_that_of_dropping_members():
    """For squared error, training the mean of m random members is equivalent to this λ."""
    for m in range(1, 8):
        assert group_size(7 * (m - 1) / (m * 6), 7) == pytest.approx(m, rel=1e-12)
