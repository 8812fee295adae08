import numpy as np
import pytest

from jtdiag_probes.robustness.bit_flips import BITS, accuracy, flip_all, flip_bits, guarded


def words(weights):
    return np.asarray(weights, np.float32).view(np.uint32)


@pytest.fixture
def random():
    return np.random.default_rng(0)


def test_without_a_rate_nothing_flips(random):
    weights = random.standard_normal((3, 4)).astype(np.float32)
    np.testing.assert_array_equal(flip_bits(weights, 0.0, random), weights)


def test_with_probability_one_every_bit_flips(random):
    weights = random.standard_normal((3, 4)).astype(np.float32)
    flipped = flip_bits(weights, 1.0, random)
    np.testing.assert_array_equal(words(flipped), ~words(weights))


def test_bits_flip_at_the_rate_and_all_kinds_of_them_alike(random):
    weights = random.standard_normal(100_000).astype(np.float32)
    flips = words(flip_bits(weights, 1e-2, random)) ^ words(weights)
    share = np.array([((flips >> np.uint32(bit)) & 1).mean() for bit in range(BITS)])
    np.testing.assert_allclose(share, 1e-2, atol=5 * np.sqrt(1e-2 / 100_000))


def test_the_sign_bit_is_among_them_and_changes_only_the_sign(random):
    weights = np.ones(20_000, np.float32)
    flipped = flip_bits(weights, 1e-3, random)
    assert (flipped == -1).any()


def test_the_weights_that_were_given_stay(random):
    weights = random.standard_normal((3, 4)).astype(np.float32)
    before = weights.copy()
    flip_all({"w": weights}, 1.0, random)
    np.testing.assert_array_equal(weights, before)


def test_float64_weights_flip_as_float32(random):
    weights = random.standard_normal((5, 2))
    flipped = flip_bits(weights, 1.0, random)
    assert flipped.dtype == np.float64
    np.testing.assert_array_equal(words(flipped), ~words(weights))


def test_an_answer_that_is_not_a_number_is_wrong():
    logits = np.zeros((2, 3, 2))
    logits[:, :, 1] = 1
    logits[0, 1] = np.nan
    logits[0, 2, 0] = np.inf
    with np.errstate(invalid="ignore"):
        assert accuracy(logits, np.array([1, 1, 1])) == pytest.approx(1 / 3)


def test_guarded_members_with_absurd_logits_say_nothing():
    logits = np.ones((5, 1, 2))
    logits[0, 0, 1], logits[1, 0, 0], logits[2, 0, 0] = np.nan, -np.inf, 1e30
    np.testing.assert_array_equal(guarded(logits)[:, 0, 0], [0, 0, 0, 1, 1])


def test_the_guard_leaves_sound_members_as_they_are(random):
    logits = random.standard_normal((5, 20, 3))
    np.testing.assert_array_equal(guarded(logits), logits)
