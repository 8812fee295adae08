"""The installed optimizers, by name; the engine imports the one that a recipe selects."""

from typing import Any, Final

from jtdiag.errors import RecipeError
from jtdiag.loading import Registry

OPTIMISERS: Final[Registry[Any]] = Registry(
    group="jtdiag.optimisers",
    kind="jtdiag.engine.optimisers.contract:OptimiserSpec",
    noun="optimizer",
    plural="optimizers",
    error=RecipeError,
    order=("sgd", "adamw", "soap"),
)
"""Installed optimizers, built-in and third-party; their names are the values of
``train.optimiser``. Reading the names imports none of them, so recipes stay free of torch."""
