"""The probe contract: a probe answers one question about a run without changing the run."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.errors import ProbeError
from jtdiag.printable import printable
from jtdiag.probing import credit_facts
from jtdiag.probing.description import ProbeDescription
from jtdiag.probing.findings import Finding
from jtdiag.store.run import Run

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True, kw_only=True)
class Var:
    """Describe one variable of a result."""

    dims: tuple[str, ...]
    unit: str
    meaning: str
    from_outputs: bool = False
    """True if it is computed from stored outputs; omitted when only the metrics are read."""
    of_modules: bool = False
    """True if it belongs to the modules of members; omitted for members trained as a whole."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of a probe's `measure`."""

    metrics_only: bool = False
    """Read the metrics only, as `jtdiag watch` does."""
    client: "Client | None" = None
    """Client of Dask whose workers may measure lanes, see `probing.checkpoints`."""


@dataclass(frozen=True, kw_only=True)
class Probe(ProbeDescription):
    """Define a question about a run, how it is measured, and how the numbers become sentences.

    `measure` only reads the run and is deterministic. `judge` only needs the result, so a stored
    result can be judged again without the run.
    """

    writes: Mapping[str, Var]
    """Variables of the result."""
    measure: Callable[[Run, Options], xr.Dataset]
    judge: Callable[[xr.Dataset], list[Finding]]
    seconds: Callable[[Run], float] | None = None
    """Rough estimate of the processor time for a run, in seconds, without measuring anything; it
    is printed before a probe that takes long. None for a probe that is quick."""
    compares_members: bool = False
    """True if nothing can be concluded at a λ at which all members are identical."""
    needs_skill: bool = False
    """True if nothing can be concluded at a λ at which no lane has learned anything."""

    @property
    def source(self) -> str:
        """File that defines `measure`; empty if there is none."""
        return inspect.getsourcefile(inspect.unwrap(self.measure)) or ""

    def declared(self, run: Run, options: Options) -> dict[str, Var]:
        """Return the variables of its result for a run, by name."""
        return {
            name: var
            for name, var in self.writes.items()
            if not (var.from_outputs and options.metrics_only)
            and (run.modules or not var.of_modules)
        }

    def ask(self, run: Run, options: Options) -> xr.Dataset:
        """Measure a run and return the result, labeled with units, meanings and names of classes.

        How the run trains layers is among its attributes, see `credit_facts`.

        Raises:
            ProbeError: if the question does not apply to the run; or if the result does not match
                `writes`, which is a bug in the probe.
        """
        objection = self.objection(run)
        if objection:
            raise ProbeError(f"Probe {self.name} {objection}. Run other probes on this run.")
        result = self.measure(run, options)
        declared = self.declared(run, options)
        if set(map(str, result.data_vars)) != set(declared):
            raise ProbeError(
                f"Probe {self.name} declares {sorted(declared)} but wrote "
                f"{sorted(map(str, result.data_vars))}; fix its `writes` or its `measure`."
            )
        for name, var in declared.items():
            if result[name].dims != var.dims:
                raise ProbeError(
                    f"Probe {self.name}: {name} has dimensions {result[name].dims}; "
                    f"its `writes` declares {var.dims}."
                )
            result[name].attrs |= {"unit": var.unit, "meaning": var.meaning}
        result = result.assign_attrs(credit_facts.of_run(run))
        if names.OUTPUT in result.dims and names.OUTPUT not in result.coords:
            labels = [printable(name) for name in run.output_names]
            return result.assign_coords({names.OUTPUT: np.array(labels, dtype=object)})
        return result
