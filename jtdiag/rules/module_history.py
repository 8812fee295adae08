"""What a lane's training metrics say about the modules of its members, epoch by epoch."""

from collections.abc import Iterable, Mapping
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

    def select(self, mask: NDArray[np.bool_] | slice) -> "ModuleHistory":
        """Return some of the epochs."""
        return replace(self, **{n: a[mask] for n, a in self._arrays().items() if a is not None})

    def joined(self, later: "ModuleHistory") -> "ModuleHistory":
        """Return these epochs and later ones; a metric that either lacks is unknown."""
        ours, theirs = self._arrays(), later._arrays()
        together: dict[str, Any] = {
            name: None if a is None or b is None else np.concatenate([a, b])
            for (name, a), b in zip(ours.items(), theirs.values(), strict=True)
        }
        return replace(self, **together)

    def _arrays(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in METRICS}
