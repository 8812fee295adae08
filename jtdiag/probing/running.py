"""Run a probe: reuse the stored result if it is fresh, otherwise measure, judge and store."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from jtdiag.cluster import workers
from jtdiag.errors import ProbeError, StoreError
from jtdiag.probing import findings, lane_states, results, wording
from jtdiag.probing.contract import Options, Probe
from jtdiag.probing.findings import Finding
from jtdiag.probing.registry import PROBES
from jtdiag.store.run import Run

if TYPE_CHECKING:
    from distributed import Client

ALWAYS = ("self-test", "nothing-learned")
"""Rules whose findings also hold where nothing was learned."""


def probe(
    run: Run | str | Path,
    name: str | Probe,
    *,
    force: bool = False,
    client: "Client | None" = None,
) -> xr.Dataset:
    """Run a probe on a run and return its result, from ``results/`` if that is fresh.

    A recomputed result is stored there, and its findings are written to ``findings.jsonl``.

    Args:
        run: The run or its folder.
        name: The probe's name, as listed by `jtdiag probes`, or a user-defined `Probe`.
        force: Recompute even if the stored result is fresh.
        client: A client of Dask (``distributed.Client``), whose workers see the folder of the run:
            they measure lanes, with probes that can be divided. The result is the same.

    Raises:
        ClusterError: if the workers cannot be used.
        ProbeError: if there is no such probe.
        StoreError: if there is no such run, or it has no sealed epoch yet.
    """
    run = run if isinstance(run, Run) else Run(run)
    selected = name if isinstance(name, Probe) else PROBES.find(name)
    if force or not results.is_fresh(run, selected):
        if client is not None:
            workers.check(client, run.path)
        return measure(run, selected, client)
    results.remove_drafts(run)
    result = results.load(run, selected.name)
    judged = judge(run, selected, result)
    stored = findings.read(run.path, lost=True)
    recorded = [finding for finding in stored if finding.probe == selected.name]
    with suppress(StoreError):  # a run that may only be read
        record_lost(run)
        record_lanes(run)
        # Training and `jtdiag watch` also record findings of rules, under the name "alerts".
        if judged != recorded:
            findings.record(run.path, selected.name, judged)
    return result


def measure(run: Run, selected: Probe, client: "Client | None" = None) -> xr.Dataset:
    """Measure and judge a run and store the result, even if the stored result is fresh.

    Args:
        run: The run.
        selected: The probe.
        client: As in `probe`; its workers have been checked.

    Raises:
        StoreError: if results cannot be written; nothing is measured then. If that is noticed only
            afterwards, it is a `NotSavedError`, which contains the result.
    """
    require_sealed(run)
    results.remove_drafts(run)
    results.require_room(run)
    made_from = results.origin(run, selected)  # before measuring: the run may grow meanwhile
    result = ask(run, selected, Options(client=client))
    recording = _Recording(run, selected.name, judge(run, selected, result))
    recording.begin()
    results.save(run, selected.name, result, made_from, before_seal=recording.record)
    recording.end()
    return result


class _Recording:
    """Writes the findings of a result before it is sealed, so that no sealed result lacks them."""

    def __init__(self, run: Run, name: str, judged: list[Finding]) -> None:
        self._run, self._name, self._judged = run, name, judged
        self._error: StoreError | None = None

    def begin(self) -> None:
        """Create the file of findings, or write it again if it was lost."""
        # If it cannot be written, the result cannot be saved either, which says so; if another
        # result is damaged, its findings stay lost.
        with suppress(StoreError):
            findings.begin(self._run.path)
        with suppress(StoreError):
            record_lost(self._run)

    def record(self) -> None:
        """Write the findings; an error is raised by `end`."""
        try:
            record_lanes(self._run)
            findings.record(self._run.path, self._name, self._judged)
        except StoreError as error:
            self._error = error

    def end(self) -> None:
        """Raise the error of `record`; the next call writes the findings."""
        if self._error is not None:
            saved = f"The result of {self._name} is saved."
            raise StoreError(f"{self._error} {saved}") from self._error


def require_sealed(run: Run) -> None:
    """Check that there is something to measure.

    Raises:
        StoreError: if no lane has a sealed epoch.
    """
    if not lane_states.sealed(run):
        raise StoreError(f"{run.path} has no sealed epoch yet; run the probe after the first one.")


def ask(run: Run, selected: Probe, options: Options) -> xr.Dataset:
    """Measure the lanes of a run that can be used; nothing is stored.

    Raises:
        ProbeError: if the probe does not apply, or every lane has diverged.
    """
    if selected.every_lane:
        return selected.ask(run, options)
    if lane_states.all_diverged(run):
        trained = lane_states.sealed(run)
        raise ProbeError(wording.no_lane_left(selected.name, run.path, trained))
    return selected.ask(run.without(lane_states.diverged(run)), options)


def judge(run: Run, selected: Probe, result: xr.Dataset) -> list[Finding]:
    """Return the findings of a result, without conclusions at λs at which there can be none.

    None can be drawn where nothing was learned or, about members, where they are identical. If that
    is so at every λ, findings on the run as a whole are left out as well.
    """
    judged = selected.judge(result)
    unusable = lane_states.unlearned(run) if selected.needs_skill else set()
    unusable |= lane_states.identical(run) if selected.compares_members else set()
    nowhere = unusable >= {state.lam for state in lane_states.states(run) if state.used}
    return [
        finding
        for finding in judged
        if finding.rule in ALWAYS
        or not (finding.lam in unusable or (unusable and nowhere and finding.lam is None))
    ]


def record_lost(run: Run) -> None:
    """Write the findings of all stored results again if the file of findings was lost.

    Raises:
        StoreError: if a result is damaged, or the file cannot be written.
    """
    if not findings.are_lost(run.path):
        return
    for each in PROBES.all():
        if each.applies(run) and results.path_of(run, each.name).exists():
            judged = judge(run, each, results.load(run, each.name))
            findings.record(run.path, each.name, judged)


def record_lanes(run: Run) -> None:
    """Record which lanes are not used, if that has changed since it was last recorded."""
    of_lanes = lane_states.findings(run)
    recorded = [f for f in findings.read(run.path, lost=True) if f.probe == lane_states.SOURCE]
    if of_lanes != recorded:
        findings.record(run.path, lane_states.SOURCE, of_lanes)
