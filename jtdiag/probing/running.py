"""Run a probe: reuse the stored result if it is fresh, otherwise measure, judge and store."""

from pathlib import Path

import xarray as xr

from jtdiag.errors import StoreError
from jtdiag.probing import findings, results
from jtdiag.probing.contract import Options, Probe
from jtdiag.probing.registry import PROBES
from jtdiag.store.run import Run


def probe(run: Run | str | Path, name: str | Probe, *, force: bool = False) -> xr.Dataset:
    """Run a probe on a run and return its result, from ``results/`` if that is fresh.

    A recomputed result is stored there, and its findings are written to ``findings.jsonl``.

    Args:
        run: The run or its folder.
        name: The probe's name, as listed by `jtdiag probes`, or a user-defined `Probe`.
        force: Recompute even if the stored result is fresh.

    Raises:
        ProbeError: if there is no such probe.
        StoreError: if there is no such run, or it has no sealed epoch yet.
    """
    run = run if isinstance(run, Run) else Run(run)
    selected = name if isinstance(name, Probe) else PROBES.find(name)
    if force or not results.is_fresh(run, selected):
        return measure(run, selected)
    result = results.load(run, selected.name)
    judged = selected.judge(result)
    # Training and `jtdiag watch` also record findings of rules, under the name "alerts".
    if judged != [finding for finding in findings.read(run.path) if finding.probe == selected.name]:
        findings.record(run.path, selected.name, judged)
    return result


def measure(run: Run, selected: Probe) -> xr.Dataset:
    """Measure and judge a run and store the result, even if the stored result is fresh."""
    if all(run.seal(lane).epoch < 0 for lane in run.lanes):
        raise StoreError(f"{run.path} has no sealed epoch yet; run the probe after the first one.")
    made_from = results.origin(run, selected)  # before measuring: the run may grow meanwhile
    result = selected.ask(run, Options())
    # Findings first, so that a fresh result never comes with outdated findings.
    findings.record(run.path, selected.name, selected.judge(result))
    results.save(run, selected.name, result, made_from)
    return result
