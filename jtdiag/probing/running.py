"""Asking a probe of a run: measured unless the stored result is fresh, judged, recorded."""

from pathlib import Path

import xarray as xr

from jtdiag.errors import StoreError
from jtdiag.probing import findings as finding, results as result
from jtdiag.probing.contract import Options, Probe
from jtdiag.probing.registry import PROBES
from jtdiag.store.run import Run


def probe(run: Run | str | Path, name: str | Probe, *, force: bool = False) -> xr.Dataset:
    """Return the answer of a probe about a run, from ``results/`` if that is fresh.

    What is measured anew is stored there, and its findings go to ``findings.jsonl``.

    Args:
        run: The run or its folder.
        name: The probe's name, as `jtdiag probes` lists them, or a probe of your own.
        force: Measure even if the stored result is fresh.

    Raises:
        ProbeError: if there is no such probe.
        StoreError: if there is no such run, or nothing of it is sealed yet.
    """
    run = run if isinstance(run, Run) else Run(run)
    asked = name if isinstance(name, Probe) else PROBES.find(name)
    if not force and result.is_fresh(run, asked):
        found = result.load(run, asked.name)
        if not any(one.probe == asked.name for one in finding.read(run.path)):
            finding.record(run.path, asked.name, asked.judge(found))
        return found
    return measure(run, asked)


def measure(run: Run, asked: Probe) -> xr.Dataset:
    """Measure, store and judge, whatever is stored."""
    if all(run.seal(lane).epoch < 0 for lane in run.lanes):
        raise StoreError(f"{run.path} has no sealed epoch yet; ask again when one is trained.")
    made_from = result.origin(run, asked)  # before measuring: a run may grow meanwhile
    found = asked.ask(run, Options())
    # Findings first: a result that is fresh then never stands beside older findings.
    finding.record(run.path, asked.name, asked.judge(found))
    result.save(run, asked.name, found, made_from)
    return found
