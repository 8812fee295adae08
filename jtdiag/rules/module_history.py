"""What a lane's training metrics say about the modules of its members, epoch by epoch."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jtdiag.names import DEAD_ROWS, MODULE_ERROR, SYNTHETIC_R2

Floats = NDArray[np.floating[Any]]

METRICS = (MODULE_ERROR, DEAD_ROWS, SYNTHETIC_R2)
"""Names of the metrics, as in a store and as fields of a `ModuleHistory`."""


@dataclass(frozen=True, kw_only=True)
class ModuleHistory:
    """Training metrics of modules: E epochs, M members, K modules, the last with the head."""

    names: tuple[str, ...]
    """Of the modules, K."""
    module_error: Floats | None = None
    """(E, M, K), error of local heads, and of the members for the last module; None without."""
    dead_rows: Floats | None = None
    """(E, M, K), share of the examples for which a module returns only zeros; None if unknown."""
    synthetic_r2: Floats | None = None
    """(E, M, K), share of the variance of a gradient that its prediction explains; NaN where there
    is no prediction, None without synthetic gradients."""
    warmup: int = 0
    """First epochs in which predictions of gradients are not used yet."""

    @classmethod
    def of(
        cls, names: Iterable[str], metrics: Mapping[str, Floats], warmup: int
    ) -> "ModuleHistory | None":
        """Return the history in metrics (E, M, K) by name; None without modules."""
        named = tuple(names)
        if not named:
            return None
        return cls(names=named, warmup=warmup, **{name: metrics.get(name) for name in METRICS})

    def mapped(self, change: Callable[[Floats], Floats]) -> "ModuleHistory":
        """Return the history with every array replaced by what a function makes of it."""
        return replace(self, **changed(self._arrays(), change))

    def combined(
        self, other: "ModuleHistory", both: Callable[[Floats, Floats], Floats]
    ) -> "ModuleHistory":
        """Return the history with what a function makes of the arrays of two.

        A metric that either lacks is unknown.
        """
        return replace(self, **paired(self._arrays(), other._arrays(), both))

    def _arrays(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in METRICS}


def changed(arrays: Mapping[str, Any], change: Callable[[Floats], Floats]) -> dict[str, Any]:
    """Return what a function makes of the array of each name; None where it is None."""
    return {name: None if array is None else change(array) for name, array in arrays.items()}


def paired(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], both: Callable[[Floats, Floats], Floats]
) -> dict[str, Any]:
    """Return what a function makes of two arrays of each name; None where either is None."""
    pairs = {name: (array, theirs[name]) for name, array in ours.items()}
    return {n: None if a is None or b is None else both(a, b) for n, (a, b) in pairs.items()}
