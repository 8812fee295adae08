"""Errors that a user can fix. Each message is one line: what is wrong, and what to do.

The command line prints these errors without a traceback and exits with status 1. Any other
exception is a bug in jtdiag and keeps its traceback.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class JtdiagError(Exception):
    """An error that the user can fix; the message says how."""


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


_ALIASES = {"lambda": "lam", "λ": "lam", "dataset": "data"}
"""Common mistakes that spelling similarity does not resolve."""


def nearest(word: object, allowed: Iterable[str]) -> str:
    """Return " Did you mean '…'?" with the most similar allowed word, or "" if none is."""
    word, words = str(word), list(allowed)
    if _ALIASES.get(word) in words:
        return f" Did you mean '{_ALIASES[word]}'?"
    matches = get_close_matches(word, words, 1)
    return f" Did you mean '{matches[0]}'?" if matches else ""
