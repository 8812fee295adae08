"""Errors that a user can fix. Each message is one line: what is wrong, and what to do.

The command line prints these errors without a traceback and exits with status 1. Any other
exception is a bug in jtdiag and keeps its traceback.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from typing import Final

from jtdiag.printable import printable

LONGEST: Final = 490
"""Largest number of characters of a message; with "Error: " before it, a line is below 500."""


_ON_COMMAND_LINE: ContextVar[bool] = ContextVar("on_command_line", default=False)


@contextmanager
def on_command_line() -> Iterator[None]:
    """Let errors within a block name options of commands."""
    token = _ON_COMMAND_LINE.set(True)
    try:
        yield
    finally:
        _ON_COMMAND_LINE.reset(token)


def is_on_command_line() -> bool:
    """Return whether errors name options of commands."""
    return _ON_COMMAND_LINE.get()


def option(python: str, command: str) -> str:
    """Return what a user sets to mend an error: in Python, or on the command line.

    Args:
        python: Such as "resume=True".
        command: Such as "--resume".
    """
    return command if is_on_command_line() else python


class JtdiagError(Exception):
    """An error that the user can fix; the message says how, on one printable line."""

    def __str__(self) -> str:
        """Return the message; if it is too long, its middle is left out, not the remedy."""
        text = printable(super().__str__()).replace("\n", " ")
        return shortened(text, LONGEST)


class RecipeError(JtdiagError, ValueError):
    """An invalid recipe, or one that cannot be run on this machine."""


class DataError(JtdiagError, ValueError):
    """Data that are missing or invalid."""


class StoreError(JtdiagError, OSError):
    """A run, store or result that is missing, damaged, locked or already exists."""


class ProbeError(JtdiagError, LookupError):
    """A probe or figure that does not exist or violates its contract."""


class AlertError(JtdiagError, ValueError):
    """An alert destination that cannot be used."""


class ClusterError(JtdiagError, RuntimeError):
    """A cluster that cannot be used, or whose workers have failed."""


class RankError(ClusterError):
    """An error of several processes that torchrun has started, which rank 0 reports."""


class AdviceError(JtdiagError, RuntimeError):
    """Advice that cannot be given."""


def shortened(text: str, longest: int) -> str:
    """Return a text whose middle is left out if it has more than a number of characters."""
    if len(text) <= longest:
        return text
    kept = longest - 3
    return f"{text[: kept // 2]} … {text[len(text) - (kept - kept // 2) :]}"


def shown(value: object) -> str:
    """Return a value as Python writes it, printable and short."""
    if isinstance(value, int) and abs(value) >= 10**30:
        return f"a whole number of about {round(value.bit_length() * math.log10(2)):,} digits"
    try:
        return shortened(repr(value), 100)
    except (ValueError, RecursionError):  # numbers of thousands of digits have no repr
        return f"a {type(value).__name__} of values that are too long to print"


_ALIASES = {"lambda": "lam", "λ": "lam", "dataset": "data"}
"""Common mistakes that spelling similarity does not resolve."""


def nearest(word: object, allowed: Iterable[str]) -> str:
    """Return " Did you mean '…'?" with the most similar allowed word, or "" if none is."""
    word = word[:100] if isinstance(word, str) else shown(word)
    words = list(allowed)
    if _ALIASES.get(word) in words:
        return f" Did you mean '{_ALIASES[word]}'?"
    matches = get_close_matches(word, words, 1)
    return f" Did you mean '{matches[0]}'?" if matches else ""
