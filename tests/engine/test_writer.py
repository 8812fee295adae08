import threading

import pytest

from jtdiag.engine.writer import BackgroundWriter

SOON = 60
"""Seconds after which a test gives up; no test waits for them while the code is right."""


def test_jobs_are_done_in_order_on_a_thread_of_their_own():
    done = []
    with BackgroundWriter() as writer:
        for number in range(50):
            writer.put(lambda n=number: done.append((n, threading.current_thread().name)))
    assert done == [(n, "jtdiag-writer") for n in range(50)]


def test_leaving_the_context_waits_for_what_is_queued():
    done, go = [], threading.Event()
    with BackgroundWriter(depth=3) as writer:
        writer.put(lambda: go.wait(SOON))
        for number in range(3):
            writer.put(lambda n=number: done.append(n))
        assert done == []
        go.set()
    assert done == [0, 1, 2]


def writing_threads():
    return [thread for thread in threading.enumerate() if thread.name == "jtdiag-writer"]


def test_the_thread_ends_with_the_context():
    with BackgroundWriter() as writer:
        writer.put(lambda: None)
        assert len(writing_threads()) == 1
    assert writing_threads() == []


def test_a_full_queue_makes_the_main_thread_wait():
    started, go, done = threading.Event(), threading.Event(), []

    def first():
        started.set()
        go.wait(SOON)
        done.append("first")

    with BackgroundWriter(depth=2) as writer:
        writer.put(first)
        assert started.wait(SOON)
        writer.put(lambda: done.append("second"))
        writer.put(lambda: done.append("third"))
        fourth = threading.Thread(target=writer.put, args=[lambda: done.append("fourth")])
        fourth.start()
        fourth.join(0.2)
        waits = fourth.is_alive()
        go.set()
        fourth.join(SOON)
    assert waits
    assert done == ["first", "second", "third", "fourth"]


class JobError(Exception):
    pass


def failing():
    raise JobError("the disk is gone")


def test_an_error_comes_up_in_the_main_thread_when_the_context_is_left():
    with pytest.raises(JobError, match="the disk is gone"), BackgroundWriter() as writer:
        writer.put(failing)


def test_an_error_comes_up_in_the_main_thread_at_a_later_put():
    done = []

    def puts():
        with BackgroundWriter(depth=1) as writer:
            writer.put(failing)
            for _ in range(3):  # one may still be queued before the thread has tried the first
                writer.put(lambda: done.append("after"))
            done.append("not reached")

    with pytest.raises(JobError):
        puts()
    assert done == []


def test_jobs_after_an_error_are_dropped():
    done, go = [], threading.Event()

    def puts():
        with BackgroundWriter(depth=5) as writer:
            for job in (lambda: go.wait(SOON), failing, lambda: done.append("after")):
                writer.put(job)
            go.set()

    with pytest.raises(JobError):
        puts()
    assert done == []


def test_an_error_of_the_main_thread_is_not_hidden_by_one_of_a_job():
    def fails_twice():
        with BackgroundWriter() as writer:
            writer.put(failing)
            raise KeyError("main")

    with pytest.raises(KeyError, match="main"):
        fails_twice()


def test_what_was_queued_before_an_error_of_the_main_thread_is_done():
    done = []

    def interrupted():
        with BackgroundWriter(depth=4) as writer:
            for number in range(4):
                writer.put(lambda n=number: done.append(n))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done == [0, 1, 2, 3]


def test_even_a_job_that_exits_comes_up_in_the_main_thread():
    def leave():
        raise SystemExit(3)

    with pytest.raises(SystemExit), BackgroundWriter() as writer:
        writer.put(leave)
