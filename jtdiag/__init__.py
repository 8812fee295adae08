"""jtdiag: diagnostics for jointly trained ensembles.

Public names, imported on first use so that ``jtdiag --help`` does not import torch:

- `train`: train the ensembles that a recipe describes and write a run.
- `merge`: one run of the lanes of several runs of one recipe.
- `Run`: read a run: its recipe, its completed epochs as an xarray DataTree, its outputs.
- `probe`: run a probe on a run and return an xarray Dataset.
- `answer`: what the cheap probes come to, in up to three sentences.
- `plot`: a figure of a run, for notebooks or into given axes; `table`: its errors as a DataFrame;
  `report`: the HTML report.
- `asks`, `Var`: turn a function into a user-defined probe.
- `joint_loss`: the joint-training loss (Webb et al. 2020, Eq. 4), for any training loop.
- `DominanceMonitor`: early warning in any training loop; `watch_branches` for the branches of one
  network.
- `advise`: which number of members and which λ are best for some data and parameters.
- `from_logits`: a run from the logits of members that were trained elsewhere; `from_state_dicts`
  from their weights.
- `Recipe`: everything that determines the outcome of a run; `find_recipe` finds one by name.
- `JtdiagError`: base class of all errors that a user can fix.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jtdiag.advising.asking import advise
    from jtdiag.engine.loss import joint_loss
    from jtdiag.engine.train import train
    from jtdiag.errors import JtdiagError
    from jtdiag.figures.showing import plot
    from jtdiag.monitor.branches import watch_branches
    from jtdiag.monitor.imported import from_logits
    from jtdiag.monitor.imported_members import from_state_dicts
    from jtdiag.monitor.monitor import DominanceMonitor
    from jtdiag.probing.contract import Var
    from jtdiag.probing.decorator import asks
    from jtdiag.probing.running import probe
    from jtdiag.recipe.presets import find as find_recipe
    from jtdiag.recipe.recipe import Recipe
    from jtdiag.report.asking import answer
    from jtdiag.report.writing import report
    from jtdiag.store.merging import merge
    from jtdiag.store.run import Run
    from jtdiag.tables.frame import table

__version__ = version("jtdiag")
__all__ = [
    "DominanceMonitor",
    "JtdiagError",
    "Recipe",
    "Run",
    "Var",
    "advise",
    "answer",
    "asks",
    "find_recipe",
    "from_logits",
    "from_state_dicts",
    "joint_loss",
    "merge",
    "plot",
    "probe",
    "report",
    "table",
    "train",
    "watch_branches",
]

_MODULES = {
    "DominanceMonitor": ("jtdiag.monitor.monitor", "DominanceMonitor"),
    "JtdiagError": ("jtdiag.errors", "JtdiagError"),
    "Recipe": ("jtdiag.recipe.recipe", "Recipe"),
    "Run": ("jtdiag.store.run", "Run"),
    "Var": ("jtdiag.probing.contract", "Var"),
    "advise": ("jtdiag.advising.asking", "advise"),
    "answer": ("jtdiag.report.asking", "answer"),
    "asks": ("jtdiag.probing.decorator", "asks"),
    "find_recipe": ("jtdiag.recipe.presets", "find"),
    "from_logits": ("jtdiag.monitor.imported", "from_logits"),
    "from_state_dicts": ("jtdiag.monitor.imported_members", "from_state_dicts"),
    "joint_loss": ("jtdiag.engine.loss", "joint_loss"),
    "merge": ("jtdiag.store.merging", "merge"),
    "plot": ("jtdiag.figures.showing", "plot"),
    "probe": ("jtdiag.probing.running", "probe"),
    "report": ("jtdiag.report.writing", "report"),
    "table": ("jtdiag.tables.frame", "table"),
    "train": ("jtdiag.engine.train", "train"),
    "watch_branches": ("jtdiag.monitor.branches", "watch_branches"),
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _MODULES:
        raise AttributeError(f"module 'jtdiag' has no attribute '{name}'")
    module, attribute = _MODULES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    """Return the public names, for completion."""
    return [*__all__]
