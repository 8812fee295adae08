"""Define a probe by decorating a function of a run; see `Probe` for full control."""

import functools
from collections.abc import Callable

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.errors import ProbeError
from jtdiag.probing import wording
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.probing.findings import Finding
from jtdiag.store.run import Run

Function = Callable[[Run], xr.DataArray]


def asks(question: str, writes: Var, *, limit: float | None = None) -> Callable[[Function], Probe]:
    """Turn the decorated function, which takes a run and returns one DataArray, into a probe.

    The probe and its variable are named after the function. It has one finding for each λ: the
    value at the last epoch that has one, averaged over all remaining dimensions.

    Args:
        question: The question that the probe answers; ends with a question mark.
        writes: Dimensions, unit and meaning of the returned array. Set ``from_outputs=True`` if
            the function reads stored outputs; `jtdiag watch`, which only reads metrics, then skips
            the probe.
        limit: The finding is an alert if the number is above this limit; None for no alert.

    Raises:
        ProbeError: if the question does not end with a question mark, or `writes` is not a `Var`.
    """
    if not question.endswith("?"):
        raise ProbeError(f"The question of a probe must end with '?': {question!r} does not.")
    if not isinstance(writes, Var):
        raise ProbeError(
            "The argument `writes` of @asks must be a Var(dims=…, unit=…, meaning=…); it is of "
            f"type {type(writes).__name__}."
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
        array = function(run)
        if not isinstance(array, xr.DataArray):
            raise ProbeError(
                f"Probe {function.__name__} returned an object of type {type(array).__name__}; "
                "it must return an xarray.DataArray."
            )
        return array.rename(function.__name__).to_dataset()

    return measure


def _judge(name: str, writes: Var, limit: float | None, result: xr.Dataset) -> list[Finding]:
    """Return a finding for each λ, or a single one if the result does not depend on λ."""
    if name not in result:
        return []
    array = result[name]
    if names.LAM not in array.dims:
        return _finding(array, None, name, writes, limit)
    return [
        finding
        for lam in array[names.LAM].values
        for finding in _finding(array.sel({names.LAM: lam}), float(lam), name, writes, limit)
    ]


def _finding(
    array: xr.DataArray, lam: float | None, name: str, writes: Var, limit: float | None
) -> list[Finding]:
    epoch = None
    if names.EPOCH in array.dims:
        array = array.dropna(names.EPOCH, how="all")
        if array.sizes[names.EPOCH] == 0:
            return []
        array = array.isel({names.EPOCH: -1})
        epoch = int(array[names.EPOCH]) if names.EPOCH in array.coords else None
    number = float(array.mean())
    if not np.isfinite(number):
        return []
    above = limit is not None and number > limit
    return [
        Finding(
            probe=name,
            rule=name,
            level="alert" if above else "info",
            lam=lam,
            epoch=epoch,
            number=number,
            limit=limit,
            sentence=wording.value_sentence(
                name,
                number,
                meaning=writes.meaning,
                unit="" if writes.unit == names.FRACTION else writes.unit,
                lam=lam,
                epoch=epoch,
                limit=limit if above else None,
            ),
        )
    ]
