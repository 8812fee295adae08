"""What a probe is: one question asked of a finished or growing run, without changing it."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import xarray as xr

from jtdiag.errors import ProbeError
from jtdiag.probing.findings import Finding
from jtdiag.store.run import Run


@dataclass(frozen=True, kw_only=True)
class Var:
    """One variable of a result."""

    dims: tuple[str, ...]
    unit: str
    meaning: str
    from_outputs: bool = False
    """True when it needs stored outputs; left out when only the metrics are asked."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a probe is asked."""

    metrics_only: bool = False
    """Read the metrics alone, as `jtdiag watch` does."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One question, the way to measure its answer, and the way to put the answer into words.

    `measure` reads and never writes; asked twice it answers the same. `judge` sees the result
    alone, so a stored result can be judged again without the run.
    """

    name: str
    question: str
    writes: Mapping[str, Var]
    measure: Callable[[Run, Options], xr.Dataset]
    judge: Callable[[xr.Dataset], list[Finding]]
    cost: Literal["cheap", "slow"]
    """`jtdiag watch` asks the cheap ones when a run ends."""
    classes_only: bool = False
    """True for a question that has no meaning where members predict numbers."""
    own_weights: bool = False
    """True for a question that has no meaning where members are branches that share weights."""
    replays: bool = False
    """True for a question that needs the members and their data, not only what they said."""

    @property
    def source(self) -> str:
        """File that defines `measure`."""
        return inspect.getsourcefile(inspect.unwrap(self.measure)) or ""

    def applies(self, run: Run) -> bool:
        """Tell whether the question has a meaning for a run."""
        return not self._objection(run)

    def _objection(self, run: Run) -> str:
        """Return why the question has no meaning for a run, or nothing."""
        if self.classes_only and not run.family.classes:
            return (
                f"is about classes, and the family of {run.path} is '{run.recipe.family}', "
                "which predicts numbers"
            )
        if self.own_weights and run.recipe.members.branched:
            return (
                f"is about weights that each member has for itself, and those of {run.path} are "
                "branches of one network"
            )
        if self.replays and run.recorded:
            return (
                f"needs the members and their data, and {run.path} was recorded from a training "
                "loop of its user's"
            )
        return ""

    def ask(self, run: Run, options: Options) -> xr.Dataset:
        """Return the measured result, labelled with units and meanings as promised.

        Raises:
            ProbeError: if the question has no meaning for the run; or if the result is not what
                the probe promises, a bug of the probe.
        """
        objection = self._objection(run)
        if objection:
            raise ProbeError(f"Probe {self.name} {objection}; ask other probes of this run.")
        result = self.measure(run, options)
        promised = {
            name: var
            for name, var in self.writes.items()
            if not (var.from_outputs and options.metrics_only)
        }
        if set(map(str, result.data_vars)) != set(promised):
            raise ProbeError(
                f"Probe {self.name} promises {sorted(promised)} and wrote "
                f"{sorted(map(str, result.data_vars))}; mend its `writes` or its `measure`."
            )
        for name, var in promised.items():
            if result[name].dims != var.dims:
                raise ProbeError(
                    f"Probe {self.name}: {name} has dimensions {result[name].dims}; "
                    f"it promises {var.dims}."
                )
            result[name].attrs |= {"unit": var.unit, "meaning": var.meaning}
        return result
