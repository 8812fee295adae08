"""Records as JSON."""

import dataclasses
import json
import math
from typing import TYPE_CHECKING, Any

from jtdiag.printable import printable_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def json_line(values: dict[str, Any]) -> str:
    """Return values as one line of JSON, without control characters."""
    return printable_json(json.dumps(values, ensure_ascii=False, allow_nan=False))


def plain_values(record: "DataclassInstance") -> dict[str, Any]:
    """Return the fields of a dataclass; numbers that are not finite become None."""
    values: dict[str, Any] = finite(dataclasses.asdict(record))
    return values


def finite(value: Any) -> Any:
    """Return a value with None in the place of numbers that are not finite, which JSON has not."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
