"""Installed rules: built-in and third-party ones are entry points of the group jtdiag.rules."""

from typing import Final

from jtdiag.errors import RecipeError
from jtdiag.loading import Registry
from jtdiag.rules.contract import Rule

RULES: Final[Registry[Rule]] = Registry(
    group="jtdiag.rules",
    kind="jtdiag.rules.contract:Rule",
    noun="rule",
    plural="rules",
    error=RecipeError,
    order=(
        "dominance",
        "codependence",
        "stagnation",
        "diversity-explosion",
        "divergence",
        "over-capacity",
        "dead-rows",
        "stagnant-module",
        "synthetic-useless",
    ),
)
"""Built-in rules first, third-party rules after them."""


def rank(name: str) -> int:
    """Return the position of a rule among the installed ones; the last one if not installed."""
    names = RULES.names()
    return names.index(name) if name in names else len(names)
