"""Runs that use what is beside plain SGD go on, once interrupted, as if they never had been."""

import pytest

from jtdiag.engine.progress import NullListener
from jtdiag.engine.train import train
from jtdiag.store.run import Run

TRAIN = {
    "epochs": 3,
    "batch": 12,
    "lr": 0.01,
    "optimiser": "adamw",
    "weight_decay": 0.01,
    "schedule": "cosine",
    "warmup": 1,
    "clip": 0.5,
}
MEMBERS = {
    "conv": {"arch": "conv", "filters": [3, 4], "strides": [1, 2]},
    "densenet": {"arch": "densenet", "depth": 10, "growth": 2},
}


class StoppedError(Exception):
    """What ends a run before its time."""


class Stopping(NullListener):
    def __init__(self, after):
        self.left = after

    def epoch(self, report):
        self.left -= 1
        if self.left == 0:
            raise StoppedError


def contents(path):
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and file.suffix != ".lock"
    }


@pytest.mark.slow
@pytest.mark.parametrize("arch", MEMBERS)
def test_an_interrupted_run_goes_on_bit_for_bit(of_images, tmp_path, arch):
    recipe = of_images(
        members=MEMBERS[arch],
        data={"augment": ["crop", "flip"]},
        train=TRAIN,
        engine={"execution": "stacked", "micro_members": 2},
    )
    train(recipe, tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    for after in (2, 3, 7):
        path = tmp_path / f"stopped-{after}"
        with pytest.raises(StoppedError):
            train(recipe, path, listener=Stopping(after))
        assert not Run(path).done
        assert train(recipe, path, resume=True).done
        stopped = contents(path)
        assert (after, whole.keys()) == (after, stopped.keys())
        assert [(after, name) for name in whole if whole[name] != stopped[name]] == []


@pytest.mark.slow
def test_a_run_goes_on_in_the_way_in_which_it_began(of_images, tmp_path, monkeypatch):
    recipe = of_images(engine={"execution": "vmap"})
    with pytest.raises(StoppedError):
        train(recipe, tmp_path / "run", listener=Stopping(2))
    monkeypatch.setattr(
        "jtdiag.engine.session.Session.with_fastest_plan", lambda self: pytest.fail("timed again")
    )
    assert train(of_images(), tmp_path / "run", resume=True).settings["execution"] == "vmap"


@pytest.mark.slow
def test_checkpoints_hold_the_buffers(of_images, tmp_path):
    run = train(of_images(members=MEMBERS["densenet"]), tmp_path / "run")
    for lane in run.lanes:
        for epoch in range(3):
            kept = run.checkpoint(lane, epoch)
            assert (kept["layers.norm.num_batches_tracked"] == 4 * epoch).all()
            assert kept["layers.norm.running_mean"].shape[0] == 3
