"""Read what the object of an entry point declares, from its source and without importing it."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """The call that makes an object, such as ``probe = Probe(name="layers", measure=measure)``."""

    file: Path
    """Source file that contains the call."""
    kind: str
    """Name of what is called, such as "Probe"."""
    literals: Mapping[str, str | bool | int | float | None]
    """Arguments that are spelled out."""
    functions: frozenset[str]
    """Arguments that are functions of the same file, without decorators."""
    others: frozenset[str]
    """All other arguments, whose values are not known."""

    def text(self, keyword: str) -> str | None:
        """Return an argument that is a literal text, else None."""
        value = self.literals.get(keyword)
        return value if isinstance(value, str) else None


def declaration(entry: EntryPoint) -> Declaration | None:
    """Return how the object of an entry point is made, without importing its module.

    Packages above the module are imported: Python needs them to find it.

    Args:
        entry: Entry point, such as ``my_probes.layers:probe``.

    Returns:
        The call; None if the object is not made by a call with named arguments only.
    """
    spec = find_spec(entry.module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    file = Path(spec.origin)
    body = ast.parse(file.read_bytes()).body
    functions = {
        each.name for each in body if isinstance(each, ast.FunctionDef) and not each.decorator_list
    }
    for statement in body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
            targets = [each.id for each in statement.targets if isinstance(each, ast.Name)]
            if entry.attr in targets:
                return _of_call(statement.value, file, functions)
    return None


def _of_call(call: ast.Call, file: Path, functions: set[str]) -> Declaration | None:
    """Return a call as a declaration; None unless all of its arguments are named."""
    keywords = {each.arg: each.value for each in call.keywords if each.arg is not None}
    if call.args or len(keywords) < len(call.keywords) or not isinstance(call.func, ast.Name):
        return None
    literals = {
        name: value.value
        for name, value in keywords.items()
        if isinstance(value, ast.Constant)
        and isinstance(value.value, str | bool | int | float | None)
    }
    of_file = {
        name
        for name, value in keywords.items()
        if isinstance(value, ast.Name) and value.id in functions
    }
    return Declaration(
        file=file,
        kind=call.func.id,
        literals=literals,
        functions=frozenset(of_file),
        others=frozenset(keywords.keys() - literals.keys() - of_file),
    )
