"""The interface of sinks: where alerts are sent."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from jtdiag.alerts import wording
from jtdiag.errors import AlertError
from jtdiag.printable import with_addresses
from jtdiag.probing.findings import Finding


class NotSent(Exception):  # noqa: N818 - it is reported, and no error of the program
    """An alert that was not sent.

    Args:
        message: The reason, on one line; it follows a colon.
        kind: Failures of the same kind are reported once; by default the message.
    """

    def __init__(self, message: str, kind: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind or message


class Sink(Protocol):
    """A destination of alerts. All its methods are called by one thread at a time."""

    name: str
    """Name in messages; it must not contain secrets."""

    def send(self, run: Path | str, finding: Finding) -> None:
        """Send a finding of the run in a folder; this may block.

        Raises:
            NotSent: if it was not sent. Any other exception is reported in the same way.
        """

    def close(self) -> None:
        """Release all resources.

        A sink may also have a method ``stop()``. It is called from another thread, while `send` or
        `close` is blocking, when the run has ended and nothing more is waited for. It must end
        processes that the sink has started.
        """


@dataclass(frozen=True, kw_only=True)
class SinkType:
    """A kind of sink, as entry points of the group jtdiag.sinks provide it."""

    name: str
    """As in ``--sink NAME``; the same as the name of its entry point."""
    make: Callable[[str], Sink]
    """Return a sink, given its argument or an empty string. It raises `AlertError` if the sink
    cannot be used; this is checked before training starts."""
    argument: str = ""
    """Placeholder of the argument, such as "URL"; empty if the sink takes none, in brackets if
    the argument is optional, such as "[FILE]"."""
    option: str = ""
    """Command-line option of its own, such as "--webhook"; empty for sinks that are chosen with
    ``--sink NAME`` or ``--sink NAME=ARGUMENT`` only."""


def import_optional(module: str, package: str, option: str) -> Any:
    """Import a module of an optional dependency.

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
    """Return a finding as one line that names its run."""
    return wording.message(
        with_addresses(str(run)), finding.level, finding.trials, finding.sentence
    )
