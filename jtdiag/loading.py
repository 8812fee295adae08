"""Code of a user's own, by its address: ``package.module:name`` or ``path/file.py:name``."""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from jtdiag.errors import RecipeError


def load(field: str, address: str, kind: str) -> Any:
    """Return what an address names.

    Args:
        field: Field of the recipe that holds the address, for messages.
        address: ``package.module:name``, or ``path/file.py:name`` with the path relative to the
            folder in which the command runs.
        kind: What should be there, such as "function", for messages.

    Raises:
        RecipeError: if there is no such module, file or name.
    """
    where, colon, name = address.rpartition(":")
    if not colon:
        raise RecipeError(
            f"{field} is {address!r}; it must be package.module:{kind} or path/file.py:{kind}."
        )
    found = getattr(_module(field, where, address), name, None)
    if not callable(found):
        raise RecipeError(f"{field} is {address!r}; {where} has no {kind} '{name}'.")
    return found


def _module(field: str, where: str, address: str) -> ModuleType:
    if not where.endswith(".py"):
        try:
            return importlib.import_module(where)
        except ModuleNotFoundError as error:
            raise RecipeError(
                f"{field} is {address!r}; there is no module '{error.name}' to import."
            ) from error
    spec = importlib.util.spec_from_file_location(Path(where).stem, where)
    if spec is None or spec.loader is None or not Path(where).is_file():
        raise RecipeError(f"{field} is {address!r}; there is no file {where}.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
