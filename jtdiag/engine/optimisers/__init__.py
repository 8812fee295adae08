"""Optimisers of stacked weights: every lane has a learning rate and a state of its own.

One file an optimiser. Shape suffixes: L lanes, M members.
"""

from jtdiag.engine.optimisers.adamw import AdamW
from jtdiag.engine.optimisers.clipping import Clipped
from jtdiag.engine.optimisers.contract import Optimiser
from jtdiag.engine.optimisers.second_order import SOAP
from jtdiag.engine.optimisers.sgd import SGD
from jtdiag.recipe.recipe import Train

__all__ = ["Optimiser", "build"]


def build(train: Train) -> Optimiser:
    """Return the optimiser that a recipe's [train] describes."""
    optimiser = _unclipped(train)
    return Clipped(optimiser, longest=train.clip) if train.clip else optimiser


def _unclipped(train: Train) -> Optimiser:
    match train.optimiser:
        case "sgd":
            return SGD(
                momentum=train.momentum, nesterov=train.nesterov, weight_decay=train.weight_decay
            )
        case "adamw":
            return AdamW(weight_decay=train.weight_decay)
        case "soap":
            return SOAP(weight_decay=train.weight_decay)
    raise ValueError(f"no optimiser is called {train.optimiser!r}")
