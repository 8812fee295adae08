"""Processes that hold something in a run's folder, on this machine or another one."""

import functools
import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

SILENT = 120.0
"""Seconds without a heartbeat after which a process of another machine is taken for dead."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A process, as its lock file describes it."""

    host: str
    pid: int
    since: str
    """Date and time in UTC at which it took the lock."""
    boot: str
    """Boot of the machine; empty if it is not known."""
    namespace: str
    """Where the number means anything: containers have numbers of their own."""
    start: str
    """When the process began, in ticks of the kernel: numbers of processes are used again."""
    flock: bool
    """Whether the file system has given it a lock that ends with the process."""

    @classmethod
    def this_process(cls, *, flock: bool) -> "Owner":
        """Return the description of this process."""
        return cls(
            host=os.uname().nodename,
            pid=os.getpid(),
            since=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
            boot=_boot(),
            namespace=_namespace(),
            start=_start(os.getpid()),
            flock=flock,
        )

    @classmethod
    def of_text(cls, text: str) -> "Owner | None":
        """Return the process that a lock file describes; None if it is damaged."""
        with suppress(ValueError, TypeError):
            return cls(**json.loads(text))
        return None

    @property
    def text(self) -> str:
        """What is written into the lock file."""
        return json.dumps(asdict(self)) + "\n"

    @property
    def is_here(self) -> bool:
        """Whether the process was started on this machine, since it was booted."""
        return self.boot == _boot() != ""

    @property
    def exists(self) -> bool | None:
        """Whether there is still a process with this number and start; None if that is unknown."""
        if not (self.is_here and self.namespace == _namespace() != "" and self.start):
            return None
        return _start(self.pid) == self.start

    def __str__(self) -> str:
        """Return who this is, for messages."""
        if self.exists and self.pid == os.getpid():
            return f"this process ({self.pid}), since {self.since}"
        return f"process {self.pid} on {self.host}, since {self.since}"


def is_alive(owner: Owner | None, *, locked: bool | None, silence: float) -> bool:
    """Return whether the process that wrote a lock file can still be running.

    Args:
        owner: That process; None if the file is damaged.
        locked: Whether the system says that the file is locked; None if the file system has no
            locks.
        silence: Seconds since its last heartbeat.
    """
    if locked:
        return True
    if owner is not None and owner.is_here and owner.flock and locked is False:
        return False  # the system has ended its lock
    known = None if owner is None else owner.exists
    return silence < SILENT if known is None else known


@functools.cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:  # not Linux, or hidden: only heartbeats say who is alive
        return ""


def _namespace() -> str:
    try:
        return str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        return ""


def _start(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return fields.rpartition(")")[2].split()[19]  # the name before may contain anything
    except (OSError, IndexError):
        return ""


def seconds_since(moment: float, now: float | None = None) -> float:
    """Return the seconds since the date of a file; 0 if it is in the future.

    Args:
        moment: The date.
        now: The date of a file that was touched just now, since clocks of machines differ.
    """
    return max(0.0, (time.time() if now is None else now) - moment)
