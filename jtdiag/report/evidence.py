"""What a run has on disk: results, findings, and which probes have not been run yet."""

from collections.abc import Callable
from dataclasses import dataclass, field

import xarray as xr

from jtdiag.probing import credit_facts, findings, lane_states, results
from jtdiag.probing.contract import Options, Probe
from jtdiag.probing.description import describe
from jtdiag.probing.findings import Finding
from jtdiag.probing.registry import PROBES
from jtdiag.probing.running import judge, measure
from jtdiag.store.run import Run


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the report of one run is made from."""

    run: Run
    results: dict[str, xr.Dataset]
    """By probe, in alphabetical order, of installed probes."""
    findings: list[Finding]
    """Alerts first."""
    stale: tuple[str, ...] = ()
    """Probes whose result is older than the run or than the code of the probe."""
    missing: tuple[str, ...] = ()
    """Probes without a result, or with one that lacks variables that the probe now computes."""
    not_applicable: dict[str, str] = field(default_factory=dict)
    """Questions of probes that are not applicable to the run, by probe."""

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        return self.run.path.resolve().name

    @property
    def members(self) -> int:
        """Number of members."""
        return self.run.recipe.members.count

    @property
    def layers_end_to_end(self) -> bool:
        """Whether the layers of every member are trained end to end."""
        return not any(credit_facts.not_end_to_end(r.attrs) for r in self.results.values())

    def finding(self, probe: str, rule: str, lam: float | None) -> Finding | None:
        """Return the finding of a rule at a λ, or on the whole run (None), if there is one."""
        for finding in self.findings:
            if (finding.probe, finding.rule, finding.lam) == (probe, rule, lam):
                return finding
        return None

    def first(self, probe: str, rule: str) -> Finding | None:
        """Return the finding of a rule at the lowest λ that has one."""
        matching = [f for f in self.findings if (f.probe, f.rule) == (probe, rule)]
        return min(matching, key=lambda f: -1.0 if f.lam is None else f.lam, default=None)


def ask_cheap(
    run: Run, asking: Callable[[Run, Probe], object] = measure, *, workers: bool = False
) -> list[str]:
    """Run the cheap probes whose result is missing or outdated; return their names.

    Args:
        run: Results and findings are added to its folder.
        asking: Runs a probe; a command may show progress around it.
        workers: Whether there are workers, so that slow probes whose lanes they measure are run,
            too.
    """
    names = []
    for name in PROBES.names():
        probe = describe(name)
        wanted = probe.cost == "cheap" or (workers and probe.by_lane)
        if wanted and probe.applies(run) and not results.is_fresh(run, probe):
            asking(run, PROBES.find(name))
            names.append(name)
    return names


def gather(run: Run) -> Evidence:
    """Return the stored results and findings of a run; no probe is run.

    Raises:
        StoreError: if a result or the list of findings is damaged.
    """
    stored, stale, missing, not_applicable = {}, [], [], {}
    for name in PROBES.names():
        probe = describe(name)
        if not probe.applies(run):
            not_applicable[name] = probe.question
            continue
        fresh = results.is_fresh(run, probe)
        result = _load(run, name, fresh=fresh)
        if result is None:
            missing.append(name)
        else:
            stored[name] = result
            stale += [] if fresh else [name]
    without = {*missing, *not_applicable, lane_states.SOURCE}
    recorded = findings.read(run.path, lost=True)
    of_stored = [finding for finding in recorded if finding.probe not in without]
    # A run that can only be read does not get a file of findings again.
    for name in stored.keys() - {finding.probe for finding in recorded}:
        of_stored += judge(run, PROBES.find(name), stored[name])
    return Evidence(
        run=run,
        results=stored,
        findings=sorted(
            lane_states.findings(run) + of_stored, key=lambda finding: finding.level != "alert"
        ),
        stale=tuple(stale),
        missing=tuple(missing),
        not_applicable=not_applicable,
    )


def _load(run: Run, name: str, *, fresh: bool) -> xr.Dataset | None:
    """Return a stored result; None unless it has all variables that the probe computes now."""
    if not results.path_of(run, name).exists():
        return None
    result = results.load(run, name)
    if fresh:  # this version of the probe has computed it
        return result
    declared = set(PROBES.find(name).declared(run, Options()))
    return result if declared <= set(map(str, result.data_vars)) else None
