"""Optimizers of stacked weights, where every lane has its own learning rate and state.

One file each, found by name as entry points of ``jtdiag.optimisers``. Shape suffixes: L lanes, M
members.
"""

from jtdiag.engine.optimisers.clipping import Clipped
from jtdiag.engine.optimisers.contract import Optimiser, OptimiserSpec
from jtdiag.recipe.optimisers import OPTIMISERS
from jtdiag.recipe.recipe import Train

__all__ = ["OPTIMISERS", "Optimiser", "OptimiserSpec", "build"]


def build(train: Train) -> Optimiser:
    """Create the optimizer that the [train] section of a recipe describes.

    Raises:
        RecipeError: if no optimizer with that name is installed.
    """
    optimiser = OPTIMISERS.find(train.optimiser).build(train)
    return Clipped(optimiser, max_norm=train.clip) if train.clip else optimiser
