"""The tables that ``jtdiag table`` prints, by name."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from jtdiag.tables.configurations import configurations
from jtdiag.tables.errors import errors
from jtdiag.tables.table import Table

TABLES: Final[dict[str, Callable[[Sequence[Path]], Table]]] = {
    "errors": errors,
    "configurations": configurations,
}
"""Each takes the folders of runs or studies."""
