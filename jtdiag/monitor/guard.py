"""Keeps the errors of a monitor out of the training loop that it watches."""

import logging
from types import TracebackType

from jtdiag.errors import JtdiagError
from jtdiag.monitor import wording
from jtdiag.printable import one_line


class Guard:
    """A context manager that reports an error once and stops the monitor, instead of raising it.

    Until the first batch has been accepted, errors are raised: they are mistakes in how the monitor
    is set up, and no training is lost.

    Args:
        strict: Whether to raise every error.
    """

    def __init__(self, strict: bool) -> None:
        self._strict = strict
        self._armed = False
        self.stopped = ""
        """The sentence that was reported; empty while the monitor is watching."""

    def arm(self) -> None:
        """Report errors from now on."""
        self._armed = True

    def __enter__(self) -> "Guard":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Report an error; return whether it has been dealt with. Interruptions are passed on."""
        if not isinstance(error, Exception) or self._strict or not self._armed:
            return False
        if not self.stopped:
            self.stopped = wording.stopped(_reason(error))
            # Not warnings.warn: a loop may turn warnings into errors.
            logging.getLogger("jtdiag").warning("%s", self.stopped)
        return True


def _reason(error: Exception) -> str:
    """Return an error as one line; the type is only named for errors of others."""
    text = one_line(str(error))
    ours = isinstance(error, JtdiagError | ValueError) and text
    return text if ours else f"{type(error).__name__}: {text or 'no message'}"
