from dataclasses import replace

import numpy as np
import pytest

from jtdiag.engine.datasets.arrays import Arrays
from jtdiag.engine.datasets.fingerprint import fingerprint

DATA = Arrays(
    x_train=np.arange(8, dtype=np.float32).reshape(4, 2),
    y_train=np.array([0, 1, 0, 1]),
    x_test=np.ones((2, 2), np.float32),
    y_test=np.array([0, 1]),
    classes=("a", "b"),
    mean=None,
    sd=None,
)


def test_equal_data_have_equal_fingerprints_also_in_another_order_of_memory():
    other = replace(DATA, x_train=np.asfortranarray(DATA.x_train), notes=("converted",))
    assert fingerprint(other) == fingerprint(DATA)
    assert len(fingerprint(DATA)) == 32


@pytest.mark.parametrize(
    "change",
    [
        {"x_train": np.nextafter(DATA.x_train, np.float32(9))},
        {"y_train": DATA.y_train[::-1].copy()},
        {"x_test": DATA.x_test[:1], "y_test": DATA.y_test[:1]},
        {"classes": ("ab", "")},
        {"classes": ("a", "b", "c")},
        {"x_train": DATA.x_train[:, None], "x_test": DATA.x_test[:, None]},
    ],
)
def test_any_change_changes_the_fingerprint(change):
    assert fingerprint(replace(DATA, **change)) != fingerprint(DATA)
