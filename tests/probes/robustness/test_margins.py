import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.special import log_softmax

from jtdiag_probes.robustness import margins as under_test
from jtdiag_probes.robustness.margins import Scorer, margins, pieces


def make(members=4, examples=30, classes=5, seed=0, scale=1.0, dtype=np.float64):
    random = np.random.default_rng(seed)
    logits = (scale * random.standard_normal((members, examples, classes))).astype(dtype)
    return logits, random.integers(0, classes, examples)


def score(logits, target):
    """Hits and mean loss of the mean of logits (M, n, K), by the code under test."""
    sums = margins(logits, target).sum(0)
    scorer = Scorer(target, len(sums), sums.dtype)
    return scorer.hits(sums), scorer.loss(sums, len(logits))


def obvious(logits, target):
    """The same, example by example."""
    mean = logits.astype(np.float64).mean(0)
    chosen = [-log_softmax(row)[k] for row, k in zip(mean, target, strict=True)]
    return int((mean.argmax(-1) == target).sum()), sum(chosen)


def test_a_margin_is_another_classes_logit_minus_the_targets():
    measured = margins(np.array([[[1.0, 5.0, 7.0], [1.0, 5.0, 7.0]]]), np.array([0, 1]))
    np.testing.assert_array_equal(measured[0], [[6, -4], [4, 2]])


def test_margins_leave_the_logits_as_they_are():
    logits, target = make()
    before = logits.copy()
    margins(logits, target)
    np.testing.assert_array_equal(logits, before)


@pytest.mark.parametrize(
    ("dtype", "held"), [("float16", "float32"), ("float32", "float32"), ("float64", "float64")]
)
def test_margins_are_held_in_float32_unless_there_are_more_digits(dtype, held):
    assert margins(*make(dtype=dtype)).dtype == held


@pytest.mark.slow
@given(st.integers(1, 5), st.integers(2, 6), st.integers(0, 100))
def test_hits_and_losses_are_those_of_the_mean_logits(members, classes, seed):
    logits, target = make(members, 17, classes, seed)
    hits, loss = score(logits, target)
    expected_hits, expected_loss = obvious(logits, target)
    assert hits == expected_hits
    assert loss == pytest.approx(expected_loss, rel=1e-12)


@pytest.mark.slow
@given(st.integers(0, 200))
def test_among_equals_the_first_class_wins_as_with_argmax(seed):
    random = np.random.default_rng(seed)
    logits = random.integers(0, 3, (2, 25, 4)).astype(float)
    target = random.integers(0, 4, 25)
    assert score(logits, target)[0] == obvious(logits, target)[0]


def test_logits_that_are_all_equal_answer_class_0():
    assert score(np.zeros((2, 4, 3)), np.array([0, 1, 2, 0]))[0] == 2


@pytest.mark.parametrize("scale", [30.0, 300.0, 1e4])
def test_losses_of_far_logits_do_not_overflow(scale):
    for dtype, close in ((np.float32, 1e-5), (np.float64, 1e-12)):
        logits, target = make(scale=scale, dtype=dtype)
        assert score(logits, target)[1] == pytest.approx(obvious(logits, target)[1], rel=close)


def test_losses_in_float32_are_right_to_a_millionth():
    logits, target = make(members=200, examples=400, classes=10, dtype=np.float32)
    assert score(logits, target)[1] == pytest.approx(obvious(logits, target)[1], rel=1e-6)


def test_what_is_not_a_number_is_no_hit():
    logits = np.array([[[3.0, 0.0], [3.0, 0.0], [np.nan, 0.0], [np.inf, np.inf]]])
    with np.errstate(invalid="ignore"):
        assert score(logits, np.array([0, 1, 0, 0]))[0] == 1


def test_pieces_are_all_examples_once(monkeypatch):
    logits, target = make(examples=23)
    parts = list(pieces(logits, target, cells=12))
    assert [part.stop - part.start for _, _, part in parts] == [3] * 7 + [2]
    np.testing.assert_array_equal(np.concatenate([classes for _, classes, _ in parts]), target)
    np.testing.assert_array_equal(
        np.concatenate([piece for piece, _, _ in parts], 2), margins(logits, target)
    )


def test_the_limit_of_the_quick_way_is_below_where_float32_ends():
    with np.errstate(over="raise"):
        np.exp(np.float32(under_test.EXP_LIMIT)) * np.float32(1000)
