"""A command of the user's for every alert, run without a shell."""

import os
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

from jtdiag.alerts.contract import NotSent
from jtdiag.errors import AlertError
from jtdiag.probing.findings import Finding

TIMEOUT = 60.0
"""Seconds that a command may take."""
_PLACE = re.compile(r"\{(\w+)\}")


def values(run: Path | str, finding: Finding) -> dict[str, str]:
    """Return what fills the placeholders; "" for what a finding does not have."""
    return {
        "run": str(run),
        "rule": finding.rule,
        "epoch": _plain(finding.epoch),
        "lam": _plain(finding.lam),
        "trials": ",".join(map(str, finding.trials)),
        "members": ",".join(map(str, finding.members)),
        "number": _plain(finding.number),
        "limit": _plain(finding.limit),
        "level": finding.level,
        "sentence": finding.sentence,
    }


def _plain(number: float | None) -> str:
    return "" if number is None else f"{number:.6g}"


PLACES = tuple(values("", Finding(probe="", rule="", level="info", sentence="", number=0.0)))


class Command:
    """Runs a program with arguments in which placeholders such as {rule} are filled.

    The line is split into arguments before they are filled, and there is no shell: whatever
    stands in a sentence stays within its argument and is never carried out.
    """

    def __init__(self, line: str, timeout: float = TIMEOUT) -> None:
        try:
            self._arguments = shlex.split(line)
        except ValueError as error:
            raise AlertError(f"--on-alert is {line!r}: {error}; close what is open.") from error
        if not self._arguments:
            raise AlertError("--on-alert is empty; give a program and its arguments.")
        program = self._arguments[0]
        self.name = f"the command {program}"
        self._timeout = timeout
        unknown = [place for place in _PLACE.findall(line) if place not in PLACES]
        if unknown:
            raise AlertError(
                f"--on-alert has {{{unknown[0]}}}, which is no placeholder; "
                f"use {', '.join(f'{{{place}}}' for place in PLACES)}."
            )
        if shutil.which(program) is None:
            raise AlertError(
                f"--on-alert names the program {program!r}, which is not found or may not be "
                "run; name one on the PATH, or by its path. (There is no shell: no pipes, no ~.)"
            )

    def send(self, run: Path | str, finding: Finding) -> None:
        """Run the program, and wait for it."""
        filled = values(run, finding)
        arguments = [
            _PLACE.sub(lambda place: filled[place[1]], argument) for argument in self._arguments
        ]
        try:
            self._run(arguments)
        except OSError as error:
            raise NotSent(f"it cannot be run: {error}", "start") from error

    def _run(self, arguments: list[str]) -> None:
        # In a session of its own: Ctrl-C ends the training and not the message, and on a
        # time-out whatever it has started can be ended with it.
        with subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # it would run into the display
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            try:
                _, errors = process.communicate(timeout=self._timeout)
            except subprocess.TimeoutExpired:
                _end(process)
                message = f"it took longer than {self._timeout:g} seconds and was ended"
                raise NotSent(message) from None
        if process.returncode:
            status = f"it ended with status {process.returncode}"
            said = errors.decode(errors="replace").strip().rpartition("\n")[2]
            raise NotSent(f"{status}, and said: {said}" if said else status, status)

    def close(self) -> None:
        """Do nothing."""


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a program and its children, and hear no more of them."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()
    if process.stderr is not None:
        process.stderr.close()
