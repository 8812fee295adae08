"""A user's command, run for every alert without a shell."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

from jtdiag.alerts import process_groups
from jtdiag.alerts.contract import NotSent, SinkType
from jtdiag.alerts.process_groups import ProcessGroups
from jtdiag.errors import AlertError
from jtdiag.printable import with_addresses
from jtdiag.probing.findings import Finding

TIMEOUT = 60.0
"""Seconds after which a command is killed."""
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def values(run: Path | str, finding: Finding) -> dict[str, str]:
    """Return the values of the placeholders; empty for fields that a finding lacks."""
    return {
        "run": with_addresses(str(run)),
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


PLACEHOLDERS = tuple(values("", Finding(probe="", rule="", level="info", sentence="", number=0.0)))


class Command:
    """Runs a program with arguments in which placeholders such as {rule} are replaced.

    The line is split into arguments before placeholders are replaced, and no shell is involved:
    the text of a finding stays within its argument and is never executed. Each program has a
    process group of its own, which ends with the run at the latest, with all child processes, also
    if the run is killed.
    """

    def __init__(self, line: str, timeout: float = TIMEOUT) -> None:
        try:
            self._arguments = shlex.split(line)
        except ValueError as error:
            raise AlertError(f"--on-alert is {line!r}: {error}; close the quotation.") from error
        if not self._arguments:
            raise AlertError(
                "--on-alert is empty; it must name a program, followed by its arguments."
            )
        program = self._arguments[0]
        self.name = f"the command {program}"
        self._timeout = timeout
        self._groups = ProcessGroups()
        unknown = [name for name in _PLACEHOLDER.findall(line) if name not in PLACEHOLDERS]
        if unknown:
            raise AlertError(
                f"--on-alert contains {{{unknown[0]}}}, which is not a placeholder; "
                f"use {', '.join(f'{{{name}}}' for name in PLACEHOLDERS)}."
            )
        if shutil.which(program) is None:
            raise AlertError(
                f"--on-alert names the program {program!r}, which does not exist or is not "
                "executable; give a program on the PATH, or its path. (There is no shell: no "
                "pipes, no ~.)"
            )

    def send(self, run: Path | str, finding: Finding) -> None:
        """Run the program and wait for it."""
        fields = values(run, finding)
        arguments = [
            _PLACEHOLDER.sub(lambda match: fields[match[1]], argument)
            for argument in self._arguments
        ]
        try:
            self._run(arguments)
        except OSError as error:
            raise NotSent(f"cannot be run: {error}", "start") from error

    def _run(self, arguments: list[str]) -> None:
        started = self._groups.start(arguments)
        if started is None:
            raise NotSent("the run has ended")
        with started as process:
            try:
                _, errors = process.communicate(timeout=self._timeout)
            except subprocess.TimeoutExpired:
                process_groups.kill(process.pid)
                if process.stderr is not None:
                    process.stderr.close()
                message = f"killed after {self._timeout:g} seconds"
                raise NotSent(message) from None
        if process.returncode:
            status = f"exit status {process.returncode}"
            last_line = errors.decode(errors="replace").strip().rpartition("\n")[2]
            raise NotSent(f"{status}: {last_line}" if last_line else status, status)

    def stop(self) -> None:
        """Kill the program that is running, and whatever earlier ones left running."""
        self._groups.stop()

    def close(self) -> None:
        """Kill whatever the programs left running in the background."""
        self.stop()


SINK = SinkType(name="command", make=Command, argument="CMD", option="--on-alert")
