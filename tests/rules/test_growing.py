"""Histories that grow by an epoch at a time, against arrays that are joined."""

from dataclasses import fields

import numpy as np
import pytest

from jtdiag.names import DEAD_ROWS
from jtdiag.rules.contract import ARRAYS, History
from jtdiag.rules.growing import GrowingHistory
from jtdiag.rules.module_history import ModuleHistory


def epochs(first, last, seed=0, displacement=True):
    """A history of random numbers from one epoch to another, with one module."""
    random, count = np.random.default_rng([seed, first]), last - first + 1
    return History(
        epoch=np.arange(first, last + 1),
        member_error=random.random((count, 3)),
        member_loss=random.random((count, 3)),
        ensemble_error=random.random(count),
        ensemble_loss=random.random(count),
        chance_error=0.9,
        displacement=random.random((count, 3)) if displacement else None,
        lam=random.random(count),
        modules=ModuleHistory.of(["all"], {DEAD_ROWS: random.random((count, 3, 1))}, 0),
    )


def arrays(history):
    return {name: getattr(history, name) for name in ARRAYS} | {
        "dead_rows": history.modules.dead_rows
    }


def assert_equal(history, parts):
    joined = {name: np.concatenate([arrays(p)[name] for p in parts]) for name in arrays(parts[0])}
    for name, array in arrays(history).items():
        np.testing.assert_array_equal(array, joined[name], err_msg=name)


@pytest.mark.parametrize("room", [1, 4, 6, 20])
def test_epochs_are_those_that_were_added(room):
    start, later = epochs(0, 2), [epochs(e, e) for e in range(3, 10)]
    growing = GrowingHistory(start, room)
    for count, new in enumerate(later, 1):
        growing.add(new)
        assert_equal(growing.history, [start, *later[:count]])


def test_an_epoch_that_is_trained_again_replaces_itself_and_those_after_it():
    start = epochs(0, 6)
    growing = GrowingHistory(start, 10)
    again = epochs(4, 4, seed=1)
    growing.add(again)
    assert_equal(growing.history, [start.until(3), again])
    np.testing.assert_array_equal(start.epoch, np.arange(7))  # the one that was given is as it was


def test_what_an_epoch_lacks_is_unknown_from_then_on():
    growing = GrowingHistory(epochs(0, 2), 10)
    growing.add(epochs(3, 3, displacement=False))
    assert growing.history.displacement is None
    growing.add(epochs(4, 4))
    assert growing.history.displacement is None
    assert growing.history.last == 4


def test_every_array_of_a_history_is_among_those_that_grow():
    history = epochs(0, 3)
    held = {f.name for f in fields(history) if isinstance(getattr(history, f.name), np.ndarray)}
    assert held == {*ARRAYS}
