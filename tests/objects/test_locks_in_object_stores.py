"""Locks of lanes in object stores: one process trains a lane; those of dead processes end."""

import json
from dataclasses import asdict, replace

import pytest

from jtdiag.engine.train import train
from jtdiag.errors import StoreError
from jtdiag.objects.object_folder import ChangedError, ObjectFolder
from jtdiag.store import owners
from jtdiag.store.lane_locks import HeldError
from jtdiag.store.lanes import Lane
from jtdiag.store.object_locks import ObjectLocks, any_held, name_of
from jtdiag.store.owners import Owner
from jtdiag.store.run import Run

pytestmark = pytest.mark.slow

LANES = [Lane(0, 0), Lane(0, 1)]


@pytest.fixture
def objects(address):
    return ObjectFolder(address)


@pytest.fixture
def locks(objects):
    locks = ObjectLocks(objects)
    yield locks
    locks.close()


def elsewhere(objects, *, beating):
    """Write the lock of a process on another machine."""
    owner = replace(Owner.this_process(flock=False), host="node3", pid=4711, boot="another")
    if beating:
        objects.overwrite("lanes/beat.lock", b"")
    content = {"owner": asdict(owner), "beat": "lanes/beat.lock"}
    objects.overwrite(name_of(LANES[0]), json.dumps(content).encode())


@pytest.mark.parametrize("conditions", ["etag", "disabled"])
def test_an_object_is_written_only_if_it_is_what_was_expected(address, conditions, monkeypatch):
    monkeypatch.setenv("AWS_CONDITIONAL_PUT", conditions)  # Azure always has them
    objects = ObjectFolder(address)
    first = objects.write("a", b"1", None)
    with pytest.raises(ChangedError):
        objects.write("a", b"2", None)
    objects.write("a", b"2", first)
    with pytest.raises(ChangedError):
        objects.write("a", b"3", first)
    with pytest.raises(ChangedError):
        objects.write("missing", b"3", first)
    assert objects.read("a")[0] == b"2"
    versions = (objects.versions()["a"], objects.version("a"), objects.read("a")[1])
    assert len({each.tag for each in versions}) == 1
    if conditions == "etag":  # a repeated request, whose first answer was lost
        objects.write("a", b"2", first)


def test_a_lane_that_is_held_is_refused_and_nothing_is_changed(recipe, address, objects, locks):
    train(recipe, address)
    locks.take(LANES[1:])
    assert any_held(objects, LANES)
    before = objects.versions()
    message = (
        rf"{address}, λ = 1, trial 0: is being trained by this process \(\d+\), since .*; wait"
    )
    with pytest.raises(StoreError, match=message):
        train(recipe, address, resume=True)
    assert {name: each.tag for name, each in objects.versions().items()} == {
        name: each.tag for name, each in before.items()
    }
    assert Run(address).training
    locks.close()
    assert not Run(address).training
    assert train(recipe, address, resume=True).done


def test_all_locks_are_taken_or_none(objects, locks):
    other = ObjectLocks(objects)
    other.take(LANES[1:])
    with pytest.raises(HeldError):
        locks.take(LANES)
    other.release(LANES[1:])
    other.take(LANES)
    other.close()
    assert objects.versions("lanes").keys() == {locks._beat}


def test_another_machine_is_alive_as_long_as_its_heartbeat_is_young(
    recipe, address, objects, locks, monkeypatch
):
    elsewhere(objects, beating=True)
    with pytest.raises(HeldError) as raised:
        locks.take(LANES)
    assert raised.value.owner.host == "node3"
    with pytest.raises(StoreError, match=r"process 4711 on node3, .* heartbeat was \d+ s ago"):
        train(recipe, address)
    monkeypatch.setattr(owners, "SILENT", -1)
    locks.take(LANES)


def test_a_lock_without_a_heartbeat_is_that_of_a_dead_process(objects, locks):
    elsewhere(objects, beating=False)
    locks.take(LANES)
    locks.require(LANES[0])


def test_a_process_whose_lock_was_taken_ends(objects, locks):
    locks.take(LANES)
    elsewhere(objects, beating=True)
    with pytest.raises(StoreError, match="another process has taken this lock"):
        locks.require(LANES[0])
