"""Whose code a run may execute: a recipe can name user-defined classes and functions.

A run that somebody sent could name code of theirs. So the code that a run's recipe names is
imported only if the run was made by this user on this machine, or if the user says so. Runs that
were made here are recorded outside the run, by a hash that covers the recipe.
"""

import os
from pathlib import Path

from jtdiag import files, loading
from jtdiag.errors import StoreError
from jtdiag.recipe.recipe import Recipe
from jtdiag.store import checksums
from jtdiag.store.lanes import FOLDER

VARIABLE = "JTDIAG_TRUST_CODE"
"""Environment variable that is 1 if the code of all runs is trusted; set by ``--trust-code``."""


def trust_all() -> None:
    """Trust the code of every run, in this process and those that it starts."""
    os.environ[VARIABLE] = "1"


def code_in(recipe: Recipe) -> list[str]:
    """Return the fields of a recipe that name user-defined code, such as "family = a.py:B"."""
    addresses = {
        "family": recipe.family,
        "data.name": recipe.data.address,
        "members.factory": recipe.members.factory,
    }
    return [f"{field} = {text}" for field, text in addresses.items() if loading.split(text)[0]]


def remember(run: Path, recipe: Recipe) -> None:
    """Record that a run with user-defined code was made here; nothing if that is not possible."""
    if not code_in(recipe):
        return
    try:
        folder = _folder()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _fingerprint(run)).touch()
    except OSError:  # a read-only home folder: reading the run will need --trust-code
        return


def require(run: Path, recipe: Recipe) -> None:
    """Check that the code that a run names may be imported.

    Raises:
        StoreError: if it names code and was not made here, unless the user trusts it.
    """
    if is_trusted(run, recipe):
        return
    named = code_in(recipe)
    raise StoreError(
        f"{run} names code that reading it would execute ({', '.join(named)}), and was not made by "
        "you on this machine. If you trust it, use --trust-code, or Run(…, trust_code=True)."
    )


def is_trusted(run: Path, recipe: Recipe) -> bool:
    """Return whether the code that a run names may be imported; true if it names none."""
    return not code_in(recipe) or os.environ.get(VARIABLE) == "1" or _remembered(run)


def _remembered(run: Path) -> bool:
    try:
        return (_folder() / _fingerprint(run)).is_file()
    except OSError:
        return False


def _fingerprint(run: Path) -> str:
    """Return a hash of everything that is written when a run is created, its recipe included."""
    return files.digest(run / FOLDER / checksums.CREATED)


def _folder() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "jtdiag" / "runs"
