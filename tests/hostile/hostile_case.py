"""One input of the kind that goes wrong, and what jtdiag has to make of it.

A module of cases holds functions `case(tmp_path)`, each with `@hostile(kind, name, outcome)`.
The name is a row of the table in `docs/reliability.md`, so it says what is given, in words.
"""

import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from click.testing import CliRunner, Result

from jtdiag.commands import main

LONGEST_LINE = 500
"""Characters of a refusal, at most."""

Outcome = Literal["read", "read, and said", "trained", "refused", "watched", "shown"]
Check = Callable[[Path], None]


@dataclass(frozen=True)
class HostileCase:
    """What is given, what becomes of it, and the check, which raises if it does not."""

    kind: str
    name: str
    outcome: Outcome
    check: Check


CASES: list[HostileCase] = []


def hostile(kind: str, name: str, outcome: Outcome) -> Callable[[Check], Check]:
    """Register a check as a case, in a row of the table of its kind."""

    def register(check: Check) -> Check:
        if any((case.kind, case.name) == (kind, name) for case in CASES):
            raise ValueError(f"two cases are called {kind}: {name}")
        CASES.append(HostileCase(kind, name, outcome, check))
        return check

    return register


def jtdiag(*arguments: str | Path, answer: str | None = None) -> Result:
    """Run a command with every warning an error; a traceback fails the case."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ran = CliRunner().invoke(main, [str(argument) for argument in arguments], input=answer)
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return ran


@contextmanager
def log_lines() -> Iterator[list[str]]:
    """Yield a list to which every line that jtdiag logs is added."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("jtdiag")
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)


def is_one_line(message: str, *parts: str) -> None:
    """Check that a refusal is one printable line below 500 characters with all these parts."""
    line = message.strip()
    assert line, "nothing was said"
    assert "\n" not in line, line
    assert line.isprintable(), repr(line)
    assert len(line) < LONGEST_LINE, f"{len(line)} characters: {line}"
    for part in parts:
        assert re.search(part, line), f"{part!r} is not in: {line}"


def is_refused(ran: Result, *parts: str) -> None:
    """Check that a command ended with one line that begins with Error, and status 1 or 2."""
    assert ran.exit_code in (1, 2), f"status {ran.exit_code}: {ran.output}"
    errors = [line for line in ran.output.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, ran.output
    assert ran.output.splitlines()[-1] == errors[0], ran.output
    is_one_line(errors[0], *parts)
