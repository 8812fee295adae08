"""Processes that run a piece of work in a folder and are interrupted at a chosen moment.

A process is a fork of this one, which has imported everything already: it starts in milliseconds
instead of seconds. This process itself must not train, open a store or start a thread.
"""

import contextlib
import importlib
import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARK = "JTDIAG_KILLS"
"""Environment variable by which programs that a process has started are recognized."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate")


@dataclass(frozen=True)
class Interruption:
    """A signal, and when it is sent: before the n-th change of a file, or after some seconds."""

    number: signal.Signals
    change: int = 0
    seconds: float = 0.0
    repeated: bool = False
    """Whether the signal is sent twice."""

    def __str__(self) -> str:
        when = f"before change {self.change}" if self.change else f"after {self.seconds:.3f} s"
        return f"{'two ' if self.repeated else ''}{self.number.name} {when}"


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    status: int
    """Exit status; minus the number of the signal that killed it."""
    seconds: float
    changes: int
    """Changes of files, if it was not killed."""
    answer: Any
    """What the work returned, if it was not killed."""
    modules: tuple[str, ...]
    output: str


def run(work: Callable[[], Any], folder: Path, interruption: Interruption | None = None) -> Ended:
    """Do work in a fork, with a folder as current folder, and wait until the fork has ended."""
    log = folder.with_name(f"{folder.name}.log")
    log.write_bytes(b"")
    reading, writing = os.pipe()
    start = time.monotonic()
    process = os.fork()
    if process == 0:
        os.close(reading)
        _child(work, folder, log, writing, interruption)
    os.close(writing)
    if interruption is not None and interruption.seconds:
        _send(process, interruption, reading)
    with os.fdopen(reading, "rb") as pipe:
        content = pipe.read()
    _, status = os.waitpid(process, 0)
    try:
        changes, answer, modules = pickle.loads(content)
    except (EOFError, pickle.UnpicklingError):  # killed before the end of the report
        changes, answer, modules = 0, None, ()
    code, seconds = os.waitstatus_to_exitcode(status), time.monotonic() - start
    return Ended(code, seconds, changes, answer, modules, log.read_text("utf-8", "replace"))


def _send(process: int, interruption: Interruption, reading: int) -> None:
    """Send a signal after some seconds, unless the process has ended before."""
    import select

    select.select([reading], [], [], interruption.seconds)
    for _ in range(2 if interruption.repeated else 1):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, interruption.number)
        time.sleep(0.01)


def _child(
    work: Callable[[], Any],
    folder: Path,
    log: Path,
    writing: int,
    interruption: Interruption | None,
) -> None:
    """Do the work, report through the pipe and exit; what it prints goes to the log."""
    status, answer = 1, None
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.setsid()
        os.chdir(folder)
        sys.path.insert(0, str(folder))
        os.environ[MARK] = str(folder)
        os.environ["XDG_STATE_HOME"] = str(folder / "home")
        changes = _Changes(folder, interruption)
        sys.addaudithook(changes)
        try:
            answer = work()
            status = 0
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(pickle.dumps((changes.count, answer, tuple(sys.modules))))
    except BaseException:  # noqa: BLE001 - the log is where it is read
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


class _Changes:
    """Counts changes of files in a folder, and sends a signal before one of them."""

    def __init__(self, folder: Path, interruption: Interruption | None) -> None:
        self.count = 0
        self._folder = str(folder)
        self._interruption = interruption

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and bool((arguments[2] or 0) & _WRITING)
        if not (writes or event in _CHANGES):
            return
        path = arguments[0]
        if isinstance(path, int) or not self._within(os.fsdecode(path)):
            return
        self.count += 1
        if self._interruption is not None and self.count == self._interruption.change:
            for _ in range(2 if self._interruption.repeated else 1):
                os.kill(os.getpid(), self._interruption.number)

    def _within(self, path: str) -> bool:
        return not os.path.isabs(path) or path.startswith(self._folder)


def preload(modules: tuple[str, ...]) -> None:
    """Import modules, as far as possible, so that forks need not."""
    for name in modules:
        if name not in sys.modules:
            with contextlib.suppress(Exception):
                importlib.import_module(name)


def left_running(folder: Path, patience: float = 3.0) -> list[str]:
    """Return programs that processes in a folder have started and that still run after a while."""
    deadline = time.monotonic() + patience
    while (running := _marked(folder)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return running


def _marked(folder: Path) -> list[str]:
    mark = f"{MARK}={folder}\0".encode()
    running = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (process / "environ").read_bytes() and (
                command := (process / "cmdline").read_bytes()
            ):
                running.append(command.replace(b"\0", b" ").decode(errors="replace").strip())
    return running
