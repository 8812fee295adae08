"""Locks that a writer holds and a reader looks at."""

import os
import stat
import subprocess
import sys
import threading
import time

import pytest

from jtdiag import files
from jtdiag.errors import StoreError

DEAD = 99_999_999
"""No process has this number: the largest is 4,194,304 on Linux."""
HOLDER = """
import sys, time
from pathlib import Path
from jtdiag import files
lock = files.acquire(Path(sys.argv[1]), 1)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.lock"


def test_a_lock_is_seen_until_it_is_released(path):
    assert not files.is_locked(path)
    lock = files.acquire(path, 0)
    assert files.is_locked(path)
    lock.release()
    assert not files.is_locked(path)
    assert path.read_bytes() == b""


def test_a_held_lock_is_refused_after_the_timeout(path):
    lock = files.acquire(path, 0)
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        files.acquire(path, 0.2)
    assert time.monotonic() - start >= 0.2
    expected = r"another process has held this lock for 0\.1 seconds"
    with pytest.raises(StoreError, match=expected), files.locked(path, 0.1):
        pass
    lock.release()
    files.acquire(path, 0).release()


def test_a_lock_is_released_from_another_thread(path):
    lock = files.acquire(path, 0)
    thread = threading.Thread(target=lock.release)
    thread.start()
    thread.join()
    assert not files.is_locked(path)


def test_looking_creates_and_writes_nothing(path):
    assert not files.is_locked(path)
    assert not path.exists()
    path.write_bytes(b"")
    os.utime(path, ns=(0, 0))
    assert not files.is_locked(path)
    assert path.stat().st_mtime_ns == 0


def test_a_read_only_lock_file_can_be_looked_at(path):
    lock = files.acquire(path, 0)
    path.chmod(stat.S_IRUSR)
    path.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert files.is_locked(path)
        lock.release()
        assert not files.is_locked(path)
    finally:
        path.parent.chmod(stat.S_IRWXU)


def test_who_looks_all_the_time_does_not_keep_a_writer_from_starting(path):
    stop = threading.Event()

    def look():
        while not stop.is_set():
            files.is_locked(path)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(20):
            files.acquire(path, 5).release()
    finally:
        stop.set()
        thread.join()


@pytest.mark.slow
def test_the_lock_of_a_dead_process_is_gone(path):
    with subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        assert files.is_locked(path)
        holder.kill()
        holder.wait()
    assert not files.is_locked(path)


# --- what killed processes leave ------------------------------------------------------------------


def drafts(folder):
    """Make drafts of two files, by dead processes, by this one and by one of another machine."""
    owners = (DEAD, f"{DEAD}@{files.HOST}", files.process(), f"{DEAD}@00000000")
    made = [folder / f".{name}.{owner}.draft" for name in "ab" for owner in owners]
    for path in made:
        path.write_text("half", encoding="utf-8")
    return {path.name for path in made}


@pytest.mark.parametrize("how", ["text", "block"])
def test_writing_a_file_removes_its_drafts_of_dead_processes(tmp_path, how):
    before = drafts(tmp_path)
    if how == "text":
        files.write_atomically(tmp_path / "a", "new")
    else:
        with files.replacing(tmp_path / "a") as draft:
            draft.write_text("new", encoding="utf-8")
    left = {path.name for path in tmp_path.iterdir()}
    dead = {f".a.{DEAD}.draft", f".a.{DEAD}@{files.HOST}.draft"}
    assert left == before - dead - {f".a.{files.process()}.draft"} | {"a"}
    assert (tmp_path / "a").read_text("utf-8") == "new"
