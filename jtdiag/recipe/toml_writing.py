"""Write recipes as TOML."""

import re
from collections.abc import Mapping
from typing import Any, Final

import attrs
import tomli_w

from jtdiag.recipe.alerts import Alerts
from jtdiag.recipe.members import Members
from jtdiag.recipe.modules import Modules
from jtdiag.recipe.objective import Objective
from jtdiag.recipe.sections import Data, Engine, Keep, Train

SECTIONS: Final[dict[str, type[attrs.AttrsInstance]]] = {
    "data": Data,
    "members": Members,
    "objective": Objective,
    "modules": Modules,
    "alerts": Alerts,
    "train": Train,
    "keep": Keep,
    "engine": Engine,
}
"""Tables of a recipe, in the order in which they are written."""


def to_toml(recipe: attrs.AttrsInstance) -> str:
    """Return a recipe as TOML with every field, so that changed defaults cannot change it.

    Quiet fields (see `checks.checked`) are omitted at their defaults.
    """
    return dumps(to_table(recipe))


def to_table(recipe: attrs.AttrsInstance) -> dict[str, Any]:
    """Return a recipe as a table of plain values, as `to_toml` writes it."""
    table = _written(recipe)
    for section in SECTIONS:
        fields = _written(getattr(recipe, section))
        if fields:
            table[section] = fields
    return table


def dumps(table: Mapping[str, Any]) -> str:
    """Return a table as TOML, with every list on one line."""
    text = tomli_w.dumps(table)
    # Strings are on one line with their quotes escaped, so these lines belong to lists.
    text = re.sub(r"\[\n\s+", "[", text)
    text = re.sub(r",\n\s*\]", "]", text)
    return re.sub(r",\n\s+", ", ", text)


def _written(record: Any) -> dict[str, Any]:
    """Return the fields of a recipe or section that are written, except sections."""
    fields = {}
    for field in attrs.fields(type(record)):
        value = getattr(record, field.name)
        if field.name not in SECTIONS and not (
            field.metadata.get("quiet") and value == _default(field)
        ):
            fields[field.name] = value
    return fields


def _default(field: "attrs.Attribute[Any]") -> Any:
    # Quiet fields with a factory are tables, empty by default.
    return {} if isinstance(field.default, attrs.Factory) else field.default  # type: ignore[arg-type]
