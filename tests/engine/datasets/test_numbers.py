from pathlib import Path

import numpy as np
import pytest

from jtdiag.engine import datasets
from jtdiag.engine.datasets import counts, labels, npz
from jtdiag.errors import DataError

NOWHERE = Path("nowhere")


def test_diabetes_is_scikit_learns_each_patient_once():
    from sklearn.datasets import load_diabetes

    theirs = load_diabetes(scaled=False)
    found = datasets.load("diabetes", NOWHERE)
    assert found.x_train.shape == (332, 10)
    assert found.y_test.shape == (110, 1)
    ours = np.hstack(
        [np.vstack([found.x_train, found.x_test]), np.vstack([found.y_train, found.y_test])]
    )
    expected = np.hstack([theirs.data.astype(np.float32), theirs.target[:, None]])
    assert np.array_equal(np.sort(ours, axis=0), np.sort(expected, axis=0))
    assert abs(found.y_train.mean() - found.y_test.mean()) < 15


def test_counts_follow_their_rate():
    found = datasets.load("counts", NOWHERE)
    assert (found.x_train.shape, found.y_test.shape) == ((1000, 6), (500, 1))
    x = np.vstack([found.x_train, found.x_test]).astype(np.float64)
    y = np.vstack([found.y_train, found.y_test])[:, 0]
    rate = np.exp(1 + np.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2] + x[:, 3] ** 2 - 0.5 * x[:, 4])
    assert (y == y.round()).all()
    assert (y >= 0).all()
    residual = (y - rate) / np.sqrt(rate)
    assert abs(residual.mean()) < 4 / np.sqrt(1500)
    assert residual.var() == pytest.approx(1, abs=0.15)


def test_labels_are_of_both_kinds_and_not_all_alike():
    found = datasets.load("labels", NOWHERE)
    assert found.classes == ("sum", "product", "ring", "wave")
    assert set(np.unique(found.y_train)) == {0.0, 1.0}
    assert ((found.y_train.mean(0) > 0.15) & (found.y_train.mean(0) < 0.85)).all()


def test_synthetic_data_are_the_same_for_ever():
    """Numbers of this machine, kept: the seeds are part of what a recipe means."""
    assert counts.load(NOWHERE).y_train[:8, 0].tolist() == COUNTS
    assert labels.load(NOWHERE).y_train[:3].tolist() == LABELS


COUNTS = [1.0, 10.0, 2.0, 3.0, 1.0, 12.0, 16.0, 3.0]
LABELS = [[0.0, 1.0, 0.0, 1.0], [1.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]]


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 3)])
def test_an_npz_holds_numbers_where_the_family_wants_them(tmp_path, shape):
    y = np.arange(np.prod(shape)).reshape(shape) - 1.5
    x = np.zeros((4, 2))
    np.savez(tmp_path / "mine.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    found = datasets.load(str(tmp_path / "mine.npz"), NOWHERE, numbers=True)
    assert np.array_equal(found.y_train, y.reshape(4, -1))
    assert found.classes == tuple(str(k) for k in range(found.y_train.shape[1]))
    assert np.array_equal(npz.load(tmp_path / "mine.npz", numbers=True).y_test, found.y_test)


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (np.zeros((4, 1, 1)), r"y_train has shape \(4, 1, 1\)"),
        (np.array(["a"] * 4), "it must contain real numbers"),
        (np.array([0.0, 1.0, np.nan, 2.0]), "y_train contains NaN or infinity"),
        (np.zeros(3), r"y_train has shape \(3, 1\); it must be \(4, 1\)"),
    ],
)
def test_numbers_that_are_none_are_refused(tmp_path, y, said):
    x = np.zeros((4, 2))
    np.savez(tmp_path / "mine.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    with pytest.raises(DataError, match=said):
        npz.load(tmp_path / "mine.npz", numbers=True)
