"""Fields of a record as values of JSON."""

import dataclasses
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def plain_values(record: "DataclassInstance") -> dict[str, Any]:
    """Return the fields of a dataclass; numbers that are not finite become None."""
    return finite(dataclasses.asdict(record))


def finite(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values, with None for numbers that are not finite, which JSON does not know."""
    return {name: _finite(value) for name, value in values.items()}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
