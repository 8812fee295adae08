"""jtdiag: is this an ensemble or one big model, and which should it be?

The public names, loaded on first use so that asking for help does not import torch:

- `train`: carry out a recipe; the engine writes a run.
- `Run`: read a run: its recipe, its sealed epochs as an xarray DataTree, its outputs.
- `probe`: ask a probe of a run and get an xarray Dataset.
- `asks`, `Var`: make a probe of your own of a function.
- `joint_loss`: the loss of Eq. 4 (Webb et al. 2020), for a training loop of your own.
- `DominanceMonitor`: the early warning in a training loop of your own; `watch_branches` for the
  branches of one network.
- `Recipe`: everything that decides the outcome of a run; `find_recipe` finds one by name.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jtdiag.engine.loss import joint_loss
    from jtdiag.engine.train import train
    from jtdiag.errors import JtdiagError
    from jtdiag.monitor.branches import watch_branches
    from jtdiag.monitor.monitor import DominanceMonitor
    from jtdiag.probing.contract import Var
    from jtdiag.probing.decorator import asks
    from jtdiag.probing.running import probe
    from jtdiag.recipe.presets import find as find_recipe
    from jtdiag.recipe.recipe import Recipe
    from jtdiag.store.run import Run

__version__ = version("jtdiag")
__all__ = [
    "DominanceMonitor",
    "JtdiagError",
    "Recipe",
    "Run",
    "Var",
    "asks",
    "find_recipe",
    "joint_loss",
    "probe",
    "train",
    "watch_branches",
]

_HOMES = {
    "DominanceMonitor": ("jtdiag.monitor.monitor", "DominanceMonitor"),
    "JtdiagError": ("jtdiag.errors", "JtdiagError"),
    "Recipe": ("jtdiag.recipe.recipe", "Recipe"),
    "Run": ("jtdiag.store.run", "Run"),
    "Var": ("jtdiag.probing.contract", "Var"),
    "asks": ("jtdiag.probing.decorator", "asks"),
    "find_recipe": ("jtdiag.recipe.presets", "find"),
    "joint_loss": ("jtdiag.engine.loss", "joint_loss"),
    "probe": ("jtdiag.probing.running", "probe"),
    "train": ("jtdiag.engine.train", "train"),
    "watch_branches": ("jtdiag.monitor.branches", "watch_branches"),
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'jtdiag' has no attribute '{name}'")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)
