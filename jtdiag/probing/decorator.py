"""A probe in ten lines: a decorated function of a run. For more, write a `Probe`."""

import functools
from collections.abc import Callable

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.errors import ProbeError
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.probing.findings import Finding
from jtdiag.store.run import Run

Function = Callable[[Run], xr.DataArray]


def asks(question: str, writes: Var, *, limit: float | None = None) -> Callable[[Function], Probe]:
    """Make a probe of the decorated function, which takes a run and returns one DataArray.

    The probe and its variable bear the function's name. What it finds is said for each λ: the
    number at the last epoch that has one, the mean over whatever dimensions are left.

    Args:
        question: What is asked of a run; ends with a question mark.
        writes: Dimensions, unit and meaning of what the function returns. With
            ``from_outputs=True`` the function may read stored outputs; `jtdiag watch`, which
            reads the metrics alone, then does not ask it.
        limit: The finding is an alert where the number lies above this; None for no alert.

    Raises:
        ProbeError: if the question is none, or `writes` is not a Var.
    """
    if not question.endswith("?"):
        raise ProbeError(f"A probe asks a question, and {question!r} does not end with '?'.")
    if not isinstance(writes, Var):
        raise ProbeError(
            f"A probe writes a Var(dims=…, unit=…, meaning=…), not a {type(writes).__name__}."
        )

    def make(function: Function) -> Probe:
        name = function.__name__
        return Probe(
            name=name,
            question=question,
            writes={name: writes},
            measure=_measure(function, writes),
            judge=functools.partial(_judge, name, writes, limit),
            cost="slow" if writes.from_outputs else "cheap",
        )

    return make


def _measure(function: Function, writes: Var) -> Callable[[Run, Options], xr.Dataset]:
    @functools.wraps(function)
    def measure(run: Run, options: Options) -> xr.Dataset:
        if writes.from_outputs and options.metrics_only:
            return xr.Dataset()
        found = function(run)
        if not isinstance(found, xr.DataArray):
            raise ProbeError(
                f"Probe {function.__name__} returned a {type(found).__name__}; "
                "it must return an xarray.DataArray."
            )
        return found.rename(function.__name__).to_dataset()

    return measure


def _judge(name: str, writes: Var, limit: float | None, result: xr.Dataset) -> list[Finding]:
    """Say the number for each λ, or the one number of a result without λ."""
    if name not in result:
        return []
    found = result[name]
    if names.LAM not in found.dims:
        return _say(found, None, name, writes, limit)
    return [
        finding
        for lam in found[names.LAM].values
        for finding in _say(found.sel({names.LAM: lam}), float(lam), name, writes, limit)
    ]


def _say(
    found: xr.DataArray, lam: float | None, name: str, writes: Var, limit: float | None
) -> list[Finding]:
    epoch = None
    if names.EPOCH in found.dims:
        found = found.dropna(names.EPOCH, how="all")
        if found.sizes[names.EPOCH] == 0:
            return []
        found = found.isel({names.EPOCH: -1})
        epoch = int(found[names.EPOCH]) if names.EPOCH in found.coords else None
    number = float(found.mean())
    if not np.isfinite(number):
        return []
    over = limit is not None and number > limit
    where = "" if lam is None else f"λ = {lam:g}: "
    after = "" if epoch is None else f" after epoch {epoch}"
    unit = "" if writes.unit == names.FRACTION else f" {writes.unit}"
    compared = f", above the limit of {limit:g}" if over else ""
    return [
        Finding(
            probe=name,
            rule=name,
            level="alert" if over else "info",
            lam=lam,
            epoch=epoch,
            number=number,
            limit=limit,
            sentence=f"{where}{name} is {number:.3g}{unit}{after}{compared} ({writes.meaning}).",
        )
    ]
