"""Which code made a result: a hash of a probe's file and of all it imports from its package."""

import ast
import hashlib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path


def code_hash(source: Path, family: str = "") -> str:
    """Return 16 hexadecimal digits that change with the code of a probe; empty without a file.

    Args:
        source: File that defines the probe's `measure`.
        family: Family of the run; one given as ``path/file.py:Class`` is part of the code.
    """
    if not source.is_file():
        return ""
    files = code_of(source)
    own = Path(family.partition(":")[0])
    files += [own] if own.suffix == ".py" and own.is_file() else []
    content = b"".join(path.read_bytes() for path in files) + version("jtdiag").encode()
    return hashlib.sha256(content).hexdigest()[:16]


def code_of(source: Path) -> list[Path]:
    """Return a file and, if it lies in a package, all files of the package that it imports.

    Imports are followed through the package, wherever in a file they stand. A package's
    ``__init__.py`` runs when any of its modules is imported, so it belongs to the code too.
    """
    root = _root(source)
    if root is None:
        return [source]
    reached, todo = {source}, [source]
    while todo:
        new = set(_imported(todo.pop(), root)) - reached
        reached |= new
        todo += new
    return sorted(reached)


def _root(source: Path) -> Path | None:
    """Return the folder of the outermost package that a file lies in."""
    folder, root = source.parent, None
    while (folder / "__init__.py").is_file():
        folder, root = folder.parent, folder
    return root


def _imported(path: Path, root: Path) -> Iterator[Path]:
    """Yield the files of a package that a file of it imports directly."""
    inside = path.relative_to(root.parent).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files(tuple(alias.name.split(".")), root)
        elif isinstance(node, ast.ImportFrom):
            above = inside[: len(inside) - node.level] if node.level else ()
            module = (*above, *(node.module or "").split(".")) if node.module else above
            for alias in node.names:
                yield from _files((*module, alias.name), root)


def _files(name: tuple[str, ...], root: Path) -> Iterator[Path]:
    """Yield the files that importing a dotted name runs, if it is a name of the package."""
    if not name or name[0] != root.name:
        return
    for depth in range(1, len(name) + 1):
        base = root.parent.joinpath(*name[:depth])
        for path in (base / "__init__.py", base.with_suffix(".py")):
            if path.is_file():
                yield path
