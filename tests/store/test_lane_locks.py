"""One process trains a lane; what dead processes leave is in nobody's way."""

import errno
import gc
import os
import signal
import threading
import time
from dataclasses import replace

import pytest

from jtdiag.errors import StoreError
from jtdiag.store import lane_locks, owners
from jtdiag.store.lane_locks import HeldError, acquire, acquire_all, any_held, path_of
from jtdiag.store.lanes import Lane
from jtdiag.store.owners import Owner

A, B, C = Lane(0, 0), Lane(0, 1), Lane(1, 0)


@pytest.fixture
def run(tmp_path):
    (tmp_path / "lanes").mkdir()
    return tmp_path


def lock_files(run):
    return sorted(path.name for path in (run / "lanes").iterdir())


def fork(work):
    """Do something in another process; its exit status is what `work` returns."""
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            status = work() or 0
        finally:
            os._exit(status)
    return pid


def status_of(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def killed_with(run, *held):
    """Let a process take locks and die without releasing them."""

    def work():
        locks = acquire(run, held)  # kept, so that nothing releases it
        os.kill(os.getpid(), signal.SIGKILL if locks else 0)

    assert status_of(fork(work)) == -signal.SIGKILL
    assert lock_files(run) == [path_of(run, lane).name for lane in held]


def written_by(run, lane, *, silent, **changes):
    """Write the lock of a process that is described by changes of this one's description."""
    path = path_of(run, lane)
    path.write_text(replace(Owner.this_process(flock=True), **changes).text, encoding="utf-8")
    os.utime(path, (time.time() - silent,) * 2)


def test_lanes_are_held_one_by_one_and_nothing_is_left(run):
    one, two = acquire(run, [A, C]), acquire(run, [B])
    assert lock_files(run) == ["lam0-trial0.lock", "lam0-trial1.lock", "lam1-trial0.lock"]
    with pytest.raises(HeldError) as caught:
        acquire(run, [C])
    assert caught.value.lane == C
    assert str(caught.value.owner).startswith(f"this process ({os.getpid()}), since 2")
    one.release()
    one.release()
    assert lock_files(run) == ["lam1-trial0.lock"]
    acquire(run, [A, C]).release()
    two.release()
    assert lock_files(run) == []
    assert not any_held(run, [A, B, C])


def test_all_lanes_are_taken_or_none(run):
    held = acquire(run, [B])
    with pytest.raises(HeldError):
        acquire(run, [A, B, C])
    assert lock_files(run) == ["lam1-trial0.lock"]
    assert any_held(run, [B])
    assert not any_held(run, [A, C])
    held.release()


def test_another_process_is_told_who_holds_the_lane(run):
    held = acquire(run, [A])

    def second():
        try:
            acquire(run, [A])
        except HeldError as error:
            expected = f"process {os.getppid()} on {os.uname().nodename}, since 2"
            return not str(error.owner).startswith(expected)
        return 1

    assert status_of(fork(second)) == 0
    held.release()


def test_the_locks_of_a_killed_process_are_taken_over_at_once(run):
    killed_with(run, A, B)
    assert not any_held(run, [A, B])
    held = acquire(run, [B])
    lane_locks.remove_dead(run, [A])
    assert lock_files(run) == ["lam1-trial0.lock"]
    held.release()


def test_of_many_processes_one_takes_over(run):
    killed_with(run, A)
    start, told = os.pipe(), os.pipe()

    def contend():
        os.read(start[0], 1)
        try:
            locks = acquire(run, [A])
        except HeldError:
            return 1
        os.close(told[1])
        os.read(told[0], 1)  # until everyone has tried
        locks.release()
        return 0

    pids = [fork(contend) for _ in range(12)]
    os.write(start[1], b"x" * 12)
    refused = [os.waitpid(-1, 0) for _ in range(11)]
    os.close(told[1])
    assert sum(os.waitstatus_to_exitcode(status) for _, status in refused) == 11
    [winner] = {*pids} - {pid for pid, _ in refused}
    assert status_of(winner) == 0
    assert lock_files(run) == []


@pytest.mark.parametrize("silent", [0, 100, 130])
def test_a_process_of_another_machine_is_dead_after_two_minutes_of_silence(run, silent):
    written_by(run, A, silent=silent, host="node7", boot="another")
    if silent == 130:
        assert not any_held(run, [A])
        acquire(run, [A]).release()
        return
    assert any_held(run, [A])
    with pytest.raises(HeldError) as caught:
        acquire(run, [A])
    assert str(caught.value.owner).startswith(f"process {os.getpid()} on node7, since ")
    assert caught.value.silence == pytest.approx(silent, abs=5)


def test_a_damaged_lock_file_counts_as_that_of_another_machine(run):
    for text, silent in (("", 0), ("{}", 0), ("", 130)):
        path_of(run, A).write_text(text, encoding="utf-8")
        os.utime(path_of(run, A), (time.time() - silent,) * 2)
        assert any_held(run, [A]) is (silent == 0)


def test_without_locks_of_the_system_the_number_and_start_of_a_process_count(run, monkeypatch):
    monkeypatch.setattr(lane_locks.fcntl, "flock", lambda *_: failing(errno.ENOSYS))
    held = acquire(run, [A])
    assert Owner.of_text(path_of(run, A).read_text("utf-8")).flock is False
    with pytest.raises(HeldError):
        acquire(run, [A])
    held.release()
    written_by(run, A, silent=0, flock=False, start="1")  # the number is used again
    assert not any_held(run, [A])
    acquire(run, [A]).release()
    written_by(run, A, silent=0, flock=False, namespace="another container")
    assert any_held(run, [A])


def failing(number):
    raise OSError(number, os.strerror(number))


def test_without_hard_links_one_process_trains_the_run(run, monkeypatch):
    monkeypatch.setattr(lane_locks.os, "link", lambda *_: failing(errno.EPERM))
    held = acquire(run, [A])
    assert lock_files(run) == []
    assert any_held(run, [B])
    with pytest.raises(HeldError) as caught:
        acquire(run, [B])
    assert caught.value.lane is None
    held.require(A)
    held.release()
    assert not any_held(run, [A])


def test_a_run_is_changed_as_a_whole_only_while_nobody_trains(run):
    held = acquire(run, [A])
    with pytest.raises(HeldError):
        acquire_all(run)
    held.release()
    whole = acquire_all(run)
    with pytest.raises(HeldError):
        acquire(run, [A])
    whole.release()
    written_by(run, A, silent=0, boot="another")
    with pytest.raises(HeldError):
        acquire_all(run)


def test_who_was_silent_for_too_long_notices_that_the_lane_was_taken(run):
    held = acquire(run, [A])
    held.require(A)
    path_of(run, A).unlink()
    written_by(run, A, silent=0, boot="another")
    with pytest.raises(StoreError, match="another process has taken this lock"):
        held.require(A)
    held.release()
    assert path_of(run, A).exists()  # it is not this process's


def test_the_heart_beats(run, monkeypatch):
    monkeypatch.setattr(lane_locks, "BEAT", 0.01)
    before = threading.active_count()
    held = acquire(run, [A])
    path = path_of(run, A)
    os.utime(path, (0, 0))
    deadline = time.monotonic() + 20
    while path.stat().st_mtime == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert path.stat().st_mtime > 0
    held.release()
    assert threading.active_count() == before


def test_locks_end_with_their_owner_and_not_with_a_fork_of_it(run):
    held = acquire(run, [A])
    assert status_of(fork(held.release)) == 0
    assert any_held(run, [A])
    held.require(A)
    del held
    gc.collect()
    assert lock_files(run) == []


def test_silence_is_measured_by_the_clock_of_the_file_system():
    assert owners.seconds_since(100.0, now=130.0) == 30.0
    assert owners.seconds_since(time.time() + 1000) == 0.0
