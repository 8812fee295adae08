"""Find Python objects by name or by address: built-in, third-party and user-defined ones.

Every extension point is a `Registry`: a group of entry points. Built-in objects are registered in
jtdiag's own pyproject.toml, with the same entry points that third-party packages use. An object
that is not installed is given by its address: ``package.module:name`` or ``path/file.py:name``.
"""

import functools
import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from jtdiag.declarations import Declaration, declaration
from jtdiag.errors import LONGEST, JtdiagError, nearest, shortened

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Registry(Generic[T]):
    """All installed objects of one kind, found through a group of entry points."""

    group: str
    """Group of entry points, such as ``jtdiag.probes``."""
    kind: str
    """Class of the objects, as ``package.module:Class``; imported with the first object."""
    noun: str
    """Name of the kind in messages, such as "probe"."""
    plural: str
    """Its plural, such as "probes"."""
    error: type[JtdiagError]
    """Raised if an object does not exist or is of the wrong class."""
    order: tuple[str, ...] = ()
    """Names listed first, in this order; the others follow alphabetically."""

    def names(self) -> tuple[str, ...]:
        """Return the names of all installed objects, without importing any."""
        installed = _entries(self.group, tuple(sys.path))
        first = [name for name in self.order if name in installed]
        return (*first, *sorted(installed.keys() - set(first)))

    def find(self, name: str) -> T:
        """Import and return the object with that name.

        Raises:
            JtdiagError: `error`, if there is no object with that name, if it is of the wrong class,
                or if its attribute ``name`` differs from the name of the entry point.
        """
        entry = self._entry(name)
        loaded = entry.load()
        module, _, kind = self.kind.partition(":")
        if not isinstance(loaded, getattr(importlib.import_module(module), kind)):
            raise self.error(
                f"Entry point '{name}' of {self.group} ({entry.value}) is of type "
                f"{type(loaded).__name__}; it must be a {module}.{kind}."
            )
        own_name = getattr(loaded, "name", name)
        if own_name != name:
            raise self.error(
                f"Entry point '{name}' of {self.group} ({entry.value}) is a {self.noun} named "
                f"'{own_name}'; the two names must be the same."
            )
        result: T = loaded
        return result

    def text(self, name: str, attribute: str) -> str:
        """Return a text attribute of an object, from its source without importing it if possible.

        Raises:
            JtdiagError: as for `find`.
        """
        declared = self.declaration(name)
        text = None if declared is None else declared.text(attribute)
        return str(getattr(self.find(name), attribute)) if text is None else text

    def declaration(self, name: str) -> Declaration | None:
        """Return how an object is made, from its source; None if that is not spelled out there.

        Raises:
            JtdiagError: `error`, if there is no object with that name.
        """
        return declaration(self._entry(name))

    def _entry(self, name: str) -> EntryPoint:
        entry = _entries(self.group, tuple(sys.path)).get(name)
        if entry is None:
            names = self.names()
            beginning = (
                f"There is no {self.noun} '{shortened(name, 100)}'.{nearest(name, names)} "
                f"Installed {self.plural}: "
            )
            raise self.error(f"{beginning}{_fitting(names, LONGEST - len(beginning) - 1)}.")
        return entry

    def all(self) -> list[T]:
        """Return all installed objects, in the order of `names`."""
        return [self.find(name) for name in self.names()]


@functools.lru_cache(maxsize=64)
def _entries(group: str, search_path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name, cached for each value of sys.path."""
    return {entry.name: entry for entry in entry_points(group=group)}


def split(address: str) -> tuple[str, str]:
    """Split an address into module or file, and name; return two empty strings if it is invalid."""
    module, colon, name = address.rpartition(":")
    return (module, name) if colon and module and name else ("", "")


def _fitting(names: Sequence[str], longest: int) -> str:
    """Return names as a list, or the first ones and the number of others if it is too long."""
    text = ", ".join(names)
    if len(text) <= longest:
        return text
    for count in range(len(names) - 1, 0, -1):
        text = f"{', '.join(names[:count])} and {len(names) - count} more"
        if len(text) <= longest:
            break
    return text


def load(field: str, address: str, kind: str, error: type[JtdiagError]) -> Any:
    """Import the object at an address.

    Args:
        field: Field that contains the address, such as "members.factory"; used in messages.
        address: ``package.module:name``, or ``path/file.py:name`` with a path relative to the
            current folder.
        kind: Expected kind of object, such as "function"; used in messages.
        error: Class of the exception.

    Raises:
        JtdiagError: `error`, if there is no such module, file or name, or if the import fails;
            the message then contains file and line.
    """
    module_name, name = split(address)
    if not module_name:
        raise error(
            f"{field} is {address!r}; it must be package.module:{kind} or path/file.py:{kind}."
        )
    module = load_module(field, address, error)
    if not callable(getattr(module, name, None)):
        public = [n for n, value in vars(module).items() if callable(value) and n[:1] != "_"]
        raise error(
            f"{field} is {address!r}; {module_name} has no {kind} '{name}'.{nearest(name, public)}"
        )
    return getattr(module, name)


def load_module(field: str, address: str, error: type[JtdiagError]) -> ModuleType:
    """Import the module of an address, by its dotted name or from its file.

    Raises:
        JtdiagError: as for `load`.
    """
    location, _ = split(address)
    if not location.endswith(".py"):
        try:
            return importlib.import_module(location)
        except ModuleNotFoundError as missing:
            raise error(
                f"{field} is {address!r}; there is no module '{missing.name}' to import."
            ) from missing
    path = Path(location)
    if not path.is_file():
        raise error(f"{field} is {address!r}; there is no file {location}.")
    return _run_file(path.resolve(), location, error)


def _run_file(path: Path, location: str, error: type[JtdiagError]) -> ModuleType:
    """Import a file as a module, with a unique name in sys.modules."""
    spec = importlib.util.spec_from_file_location(_module_name(path), path)
    if spec is None or spec.loader is None:
        raise error(f"{location} cannot be imported as Python.")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses, pickle and typing look up the module of a class in sys.modules.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as failure:
        del sys.modules[spec.name]
        message = " ".join(str(failure).split()) or "no message"
        raise error(
            f"{location}, line {_line(failure, path)}: {type(failure).__name__}: {message}"
        ) from failure
    return module


def _module_name(path: Path) -> str:
    """Return a module name that is the same in every process and unique to the file."""
    return f"jtdiag_file_{hashlib.sha256(bytes(path)).hexdigest()[:8]}_{path.stem}"


def _line(failure: Exception, path: Path) -> int:
    """Return the last line of the file in the traceback of an exception."""
    if isinstance(failure, SyntaxError) and failure.filename == str(path):
        return failure.lineno or 0
    frames = traceback.extract_tb(failure.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return next((line for line in reversed(lines) if line), 0)
