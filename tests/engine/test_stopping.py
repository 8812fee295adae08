import time

import pytest

from jtdiag.engine.lane_group import LaneGroup
from jtdiag.engine.stopping import StopRequest, TrainingStopped
from jtdiag.engine.train import train
from jtdiag.recipe.toml import from_table
from jtdiag.store.run import Run
from jtdiag.testing import TOY, toy_data


def test_nothing_stops_without_a_request():
    stop = StopRequest()
    stop.between_epochs()
    stop.within_epoch(time.monotonic() - 1e6, 0.001)
    assert not stop.requested


def test_between_epochs_a_request_is_followed_at_once():
    stop = StopRequest()
    stop.request(1e6)
    with pytest.raises(TrainingStopped):
        stop.between_epochs()


@pytest.mark.parametrize(
    ("share", "grace", "given_up"),
    [(0.5, 5.0, True), (0.5, 20.0, False), (0.9, 5.0, False), (1.0, 0.0, False), (0.1, 60, True)],
)
def test_an_epoch_is_given_up_if_it_would_take_longer_than_the_grace(share, grace, given_up):
    """Ten seconds have passed: at half of the batches, ten more are needed."""
    stop, started = StopRequest(), time.monotonic() - 10
    stop.request(grace + 0.1)
    if given_up:
        with pytest.raises(TrainingStopped):
            stop.within_epoch(started, share)
    else:
        stop.within_epoch(started, share)


def test_a_request_is_heeded_while_lanes_are_trained():
    stop = StopRequest()
    assert not stop.heeded
    with stop.heeding():
        assert stop.heeded
    assert not stop.heeded


@pytest.mark.parametrize(("grace", "sealed"), [(0.0, 0), (1e6, 1)])
def test_an_evaluation_is_given_up_when_the_grace_is_over(tmp_path, monkeypatch, grace, sealed):
    """A signal arrives after the training of epoch 1 and before its evaluation."""
    toy_data(tmp_path / "toy.npz")
    data = TOY["data"] | {"name": str(tmp_path / "toy.npz")}
    recipe = from_table(TOY | {"lam": [1], "trials": 1, "data": data})
    stop, calls = StopRequest(), []
    displacement = LaneGroup.displacement

    def signalled(group):
        calls.append(group)
        if len(calls) == 2:
            stop.request(grace)
        return displacement(group)

    monkeypatch.setattr(LaneGroup, "displacement", signalled)
    with pytest.raises(TrainingStopped):
        train(recipe, tmp_path / "run", stop=stop)
    run = Run(tmp_path / "run")
    assert [run.seal(lane).epoch for lane in run.lanes] == [sealed]
