"""What a place for alerts is, and what it says when it cannot take one."""

from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from jtdiag.errors import AlertError
from jtdiag.probing.findings import Finding


class NotSent(Exception):  # noqa: N818 - a fact that is told, not a mistake in the program
    """An alert that did not arrive; the message goes after a colon, on one line."""

    def __init__(self, message: str, kind: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind or message
        """What failures have in common that are told once; by default the message."""


class Sink(Protocol):
    """A place for alerts. It is made, asked and closed by one thread at a time."""

    name: str
    """For people; holds no secret."""

    def send(self, run: Path | str, finding: Finding) -> None:
        """Send a finding of the run in a folder; may take its time.

        Raises:
            NotSent: if it did not arrive. Anything else that is raised is told the same way.
        """

    def close(self) -> None:
        """Let go of what was opened."""


def needed(module: str, package: str, option: str) -> Any:
    """Return a module of a package that jtdiag does without.

    Raises:
        AlertError: if it cannot be imported.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise AlertError(
            f"{option} needs the package {package}, which cannot be imported ({error}); "
            f"install it with: pip install {package}"
        ) from error


def as_text(run: Path | str, finding: Finding) -> str:
    """Return a finding as a message that stands alone, in one line."""
    trials = ", ".join(str(trial) for trial in finding.trials)
    which = f", trial {trials}" if trials else ""
    return f"{finding.level.upper()} in {run}{which}: {finding.sentence}"
