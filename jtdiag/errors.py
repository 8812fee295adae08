"""What can go wrong by a user's doing: one line each, saying what is, what should be, what to do.

The command line prints the members of this family as one line with exit status 1. Any other
exception is a bug of ours and keeps its traceback.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class JtdiagError(Exception):
    """A mistake that the user can mend; the message says how."""


class RecipeError(JtdiagError, ValueError):
    """A recipe that cannot be carried out."""


class DataError(JtdiagError, ValueError):
    """Data that are missing or not what they should be."""


class StoreError(JtdiagError, OSError):
    """A run, store or result that is missing, damaged or in the way."""


class ProbeError(JtdiagError, LookupError):
    """A probe or figure that does not exist, or that breaks its promise."""


class AlertError(JtdiagError, ValueError):
    """A place for alerts that cannot be used."""


_ALIASES = {"lambda": "lam", "λ": "lam", "dataset": "data"}
"""Common slips that similarity of spelling does not resolve."""


def nearest(word: object, allowed: Iterable[str]) -> str:
    """Return " Did you mean '…'?" with the most similar allowed word, or an empty text."""
    word, words = str(word), list(allowed)
    if _ALIASES.get(word) in words:
        return f" Did you mean '{_ALIASES[word]}'?"
    matches = get_close_matches(word, words, 1)
    return f" Did you mean '{matches[0]}'?" if matches else ""
