"""Python objects found by name or by address: what jtdiag brings, and what users add.

Every extension point (`Registry`) is a group of entry points. The built-in objects are registered
in jtdiag's own pyproject.toml, by the same entry points that anybody else's package uses. An
object that is not installed has an address: ``package.module:name`` or ``path/file.py:name``.
"""

import functools
import hashlib
import importlib
import importlib.util
import sys
import traceback
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from jtdiag.errors import JtdiagError, nearest

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Registry(Generic[T]):
    """All objects of one kind that are installed, found by the entry points of a group."""

    group: str
    """Such as ``jtdiag.probes``."""
    kind: str
    """Class that every entry point must give an instance of, as ``package.module:Class``; it is
    imported when the first object is."""
    noun: str
    """What messages call an object, such as "probe"."""
    plural: str
    """The same for several, such as "probes"."""
    error: type[JtdiagError]
    """Raised where there is no such object, or it is of another kind."""
    order: tuple[str, ...] = ()
    """Names that come first, in this order; all others follow alphabetically."""

    def names(self) -> tuple[str, ...]:
        """Return the names of all installed objects, without importing any."""
        installed = _entries(self.group, tuple(sys.path))
        first = [name for name in self.order if name in installed]
        return (*first, *sorted(installed.keys() - set(first)))

    def find(self, name: str) -> T:
        """Return the object of that name; its module is imported now.

        Raises:
            JtdiagError: `error`, if there is none of that name, what its entry point gives is of
                another kind, or its own ``name`` differs from that of the entry point.
        """
        entry = _entries(self.group, tuple(sys.path)).get(name)
        if entry is None:
            names = self.names()
            raise self.error(
                f"There is no {self.noun} '{name}'.{nearest(name, names)} "
                f"Installed {self.plural}: {', '.join(names)}."
            )
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
                f"Entry point '{name}' of {self.group} ({entry.value}) gives a {self.noun} named "
                f"'{own_name}'; the two names must be the same."
            )
        found: T = loaded
        return found

    def all(self) -> list[T]:
        """Return all installed objects, in the order of `names`."""
        return [self.find(name) for name in self.names()]


@functools.lru_cache(maxsize=64)
def _entries(group: str, search_path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name; read once for each state of sys.path."""
    return {entry.name: entry for entry in entry_points(group=group)}


def split(address: str) -> tuple[str, str]:
    """Return module or file, and name, of an address; two empty texts if it is none."""
    where, colon, name = address.rpartition(":")
    return (where, name) if colon and where and name else ("", "")


def load(field: str, address: str, kind: str, error: type[JtdiagError]) -> Any:
    """Return what an address names.

    Args:
        field: Where the address was given, such as "members.factory", for messages.
        address: ``package.module:name``, or ``path/file.py:name`` with the path relative to the
            current folder.
        kind: What should be there, such as "function", for messages.
        error: What is raised.

    Raises:
        JtdiagError: `error`, if there is no such module, file or name, or importing it fails; the
            message names file and line.
    """
    where, name = split(address)
    if not where:
        raise error(
            f"{field} is {address!r}; it must be package.module:{kind} or path/file.py:{kind}."
        )
    module = load_module(field, address, error)
    if not callable(getattr(module, name, None)):
        public = [n for n, value in vars(module).items() if callable(value) and n[:1] != "_"]
        raise error(
            f"{field} is {address!r}; {where} has no {kind} '{name}'.{nearest(name, public)}"
        )
    return getattr(module, name)


def load_module(field: str, address: str, error: type[JtdiagError]) -> ModuleType:
    """Return the module of an address, imported by its dotted name or run from its file.

    Raises:
        JtdiagError: as `load`.
    """
    where, _ = split(address)
    if not where.endswith(".py"):
        try:
            return importlib.import_module(where)
        except ModuleNotFoundError as missing:
            raise error(
                f"{field} is {address!r}; there is no module '{missing.name}' to import."
            ) from missing
    path = Path(where)
    if not path.is_file():
        raise error(f"{field} is {address!r}; there is no file {where}.")
    return _run_file(path.resolve(), where, error)


def _run_file(path: Path, where: str, error: type[JtdiagError]) -> ModuleType:
    """Return a file as a module, under a name in sys.modules that no other file has."""
    spec = importlib.util.spec_from_file_location(_module_name(path), path)
    if spec is None or spec.loader is None:
        raise error(f"{where} cannot be imported as Python.")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses, pickle and typing look up the module of a class there.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as failure:
        del sys.modules[spec.name]
        message = " ".join(str(failure).split()) or "no message"
        raise error(
            f"{where}, line {_line(failure, path)}: {type(failure).__name__}: {message}"
        ) from failure
    return module


def _module_name(path: Path) -> str:
    """Return a name that is the same in every process and different for every file."""
    return f"jtdiag_file_{hashlib.sha256(bytes(path)).hexdigest()[:8]}_{path.stem}"


def _line(failure: Exception, path: Path) -> int:
    """Return the last line of the file itself that an exception has passed."""
    if isinstance(failure, SyntaxError) and failure.filename == str(path):
        return failure.lineno or 0
    frames = traceback.extract_tb(failure.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return next((line for line in reversed(lines) if line), 0)
