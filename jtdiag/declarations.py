"""Read what the object of an entry point declares, from its source and without importing it."""

import ast
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path


def declared_text(entry: EntryPoint, keyword: str) -> str | None:
    """Return the text that an object is given when it is made, without importing its module.

    In ``probe = Probe(name="layers", question="What does each layer know?")``, it is that of
    ``name`` or ``question``. Packages above the module are imported: Python needs them to find it.

    Args:
        entry: Entry point, such as ``my_probes.layers:probe``.
        keyword: Name of the argument.

    Returns:
        The text, or None if the source does not spell it out.
    """
    spec = find_spec(entry.module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    for statement in ast.parse(Path(spec.origin).read_bytes()).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
            targets = [each.id for each in statement.targets if isinstance(each, ast.Name)]
            if entry.attr in targets:
                return _text(statement.value, keyword)
    return None


def _text(call: ast.Call, keyword: str) -> str | None:
    """Return a keyword argument of a call if it is a literal text."""
    for argument in call.keywords:
        if argument.arg == keyword and isinstance(argument.value, ast.Constant):
            value = argument.value.value
            return value if isinstance(value, str) else None
    return None
