"""Hash the code behind a result: a probe's file and all it imports from its own package."""

import ast
import functools
import hashlib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path


def code_hash(source: Path, family: str = "") -> str:
    """Return 16 hexadecimal digits that change with a probe's code; empty if there is no file.

    Args:
        source: File that defines the probe's `measure`.
        family: Family of the run. A user-defined one, ``path/file.py:Class``, is hashed too.
    """
    if not source.is_file():
        return ""
    files = code_of(source)
    user_defined = Path(family.partition(":")[0])
    if user_defined.suffix == ".py" and user_defined.is_file():
        files.append(user_defined)
    content = b"".join(path.read_bytes() for path in files) + version("jtdiag").encode()
    return hashlib.sha256(content).hexdigest()[:16]


def code_of(source: Path) -> list[Path]:
    """Return a file and, if it is part of a package, every file of the package that it imports.

    Imports are followed recursively, including imports inside functions. A package's
    ``__init__.py`` runs when any of its modules is imported, so it is included.
    """
    root = _root(source)
    if root is None:
        return [source]
    reached, pending = {source}, [source]
    while pending:
        new = set(_imported(pending.pop(), root)) - reached
        reached |= new
        pending += new
    return sorted(reached)


def _root(source: Path) -> Path | None:
    """Return the folder of the outermost package that contains a file."""
    folder, root = source.parent, None
    while (folder / "__init__.py").is_file():
        folder, root = folder.parent, folder
    return root


def _imported(path: Path, root: Path) -> Iterator[Path]:
    """Yield the files of the package that one of its files imports directly."""
    module_path = path.relative_to(root.parent).with_suffix("").parts
    for name in _names(path.read_bytes(), module_path):
        yield from _files(name, root)


@functools.lru_cache(maxsize=1024)
def _names(code: bytes, module_path: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return the dotted names that a module imports; of a package, also those in its own.

    Cached, because every freshness check of every probe asks for the same modules.
    """
    names: list[tuple[str, ...]] = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names += [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parent = module_path[: len(module_path) - node.level] if node.level else ()
            module = (*parent, *(node.module or "").split(".")) if node.module else parent
            names += [(*module, alias.name) for alias in node.names]
    return tuple(names)


def _files(name: tuple[str, ...], root: Path) -> Iterator[Path]:
    """Yield the files that importing a dotted name runs, if the name is part of the package."""
    if not name or name[0] != root.name:
        return
    for depth in range(1, len(name) + 1):
        base = root.parent.joinpath(*name[:depth])
        for path in (base / "__init__.py", base.with_suffix(".py")):
            if path.is_file():
                yield path
