"""Programs in process groups of their own, which end with this process, however it ends."""

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import threading
import weakref
from collections.abc import Sequence

# Reads lists of groups, such as "-123 -456", until the process that writes them has ended, and
# kills the groups of the last list. A killed process cannot do that itself.
_GUARD = (
    "trap '' HUP INT TERM; last=; while read -r groups; do last=$groups; done; "
    '[ -z "$last" ] || kill -s KILL -- $last'
)

# Becomes the program once it is told to, when the guard knows its group. If this process is killed
# before, the shell reads the end of its input and starts nothing.
_WHEN_TOLD = 'read -r _ && exec "$@" </dev/null'


class ProcessGroups:
    """Starts programs, and kills them with all their child processes when it is stopped.

    They are also killed if this process is: a small shell script waits for its end.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[int] = set()
        self._stopped = False
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> frozenset[int]:
        """Numbers of the groups that may have a process."""
        return frozenset(self._running)

    def start(self, arguments: Sequence[str]) -> "subprocess.Popen[bytes] | None":
        """Start a program in a new session; return None after `stop`.

        Ctrl-C then stops training but not the program, a signal that it sends to its process group
        reaches nobody else, and its children can be killed with it.

        Raises:
            OSError: if the program cannot be started.
        """
        with self._lock:
            if self._stopped:
                return None
            if shutil.which(arguments[0]) is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), arguments[0])
            process = subprocess.Popen(
                ["/bin/sh", "-c", _WHEN_TOLD, "sh", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,  # it would disturb the display
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            self._running = {group for group in self._running if _exists(group)} | {process.pid}
            self._inform_guard()
            _tell_to_start(process)
        return process

    def _inform_guard(self) -> None:
        """Tell the guard which groups to kill if this process ends; start it if necessary."""
        with contextlib.suppress(OSError):  # no more processes: only SIGKILL leaves programs behind
            if self._guard is None:
                self._guard = subprocess.Popen(
                    ["/bin/sh", "-c", _GUARD],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
                weakref.finalize(self, _end, self._guard)
            assert self._guard.stdin is not None
            groups = " ".join(f"-{group}" for group in sorted(self._running))
            self._guard.stdin.write(f"{groups}\n".encode())
            self._guard.stdin.flush()

    def stop(self) -> None:
        """Kill all programs that are running, and whatever earlier ones left running."""
        with self._lock:
            self._stopped = True
            for group in self._running:
                kill(group)
            self._running = set()
            if self._guard is not None:
                self._inform_guard()
                _end(self._guard)
                self._guard = None


def _tell_to_start(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None
    with contextlib.suppress(OSError), process.stdin:
        process.stdin.write(b"\n")
    process.stdin = None  # communicate would flush it


def _end(guard: "subprocess.Popen[bytes]") -> None:
    """Let the guard kill what it was last told to, and end."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        guard.communicate(timeout=1)


def kill(group: int) -> None:
    """Kill all processes of a group, also those that are suspended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _exists(group: int) -> bool:
    """Return whether a process group still has a process."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):  # another user's: the number was used again
        return False
    return True
