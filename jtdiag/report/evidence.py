"""What is known of a run: results, findings, and which probes have not been asked yet."""

from collections.abc import Callable
from dataclasses import dataclass, field

import xarray as xr

from jtdiag.probing import findings as finding, results as result
from jtdiag.probing.contract import Probe
from jtdiag.probing.findings import Finding
from jtdiag.probing.registry import PROBES
from jtdiag.probing.running import measure
from jtdiag.store.run import Run


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a report of one run is made from."""

    run: Run
    results: dict[str, xr.Dataset]
    """By probe, in alphabetical order; of probes that are installed and have been asked."""
    findings: list[Finding]
    stale: tuple[str, ...] = ()
    """Probes whose result is older than the run or than the probe."""
    missing: tuple[str, ...] = ()
    """Probes that have not been asked, or when they measured less than they do now."""
    without_meaning: dict[str, str] = field(default_factory=dict)
    """Questions of probes that do not apply to the run."""

    @property
    def name(self) -> str:
        """The run as it is called beside others: its folder."""
        return self.run.path.resolve().name

    @property
    def members(self) -> int:
        """How many members the run has."""
        return self.run.recipe.members.count

    def finding(self, probe: str, rule: str, lam: float) -> Finding | None:
        """Return what a probe has found at a λ by a rule, if it has."""
        for one in self.findings:
            if (one.probe, one.rule, one.lam) == (probe, rule, lam):
                return one
        return None


def ask_cheap(run: Run, asking: Callable[[Run, Probe], object] = measure) -> list[str]:
    """Ask the cheap probes that have no fresh result; return their names.

    Args:
        run: Its results and findings grow.
        asking: Measures; a command may show progress around it.
    """
    asked = []
    for probe in PROBES.all():
        if probe.cost == "cheap" and probe.applies(run) and not result.is_fresh(run, probe):
            asking(run, probe)
            asked.append(probe.name)
    return asked


def gather(run: Run) -> Evidence:
    """Return what is known of a run; nothing is measured.

    Raises:
        StoreError: if a result or the list of findings is damaged.
    """
    results, stale, missing, without = {}, [], [], {}
    for probe in PROBES.all():
        if not probe.applies(run):
            without[probe.name] = probe.question
        elif (found := _stored(run, probe)) is None:
            missing.append(probe.name)
        else:
            results[probe.name] = found
            stale += [] if result.is_fresh(run, probe) else [probe.name]
    known = [one for one in finding.read(run.path) if one.probe not in missing]
    return Evidence(
        run=run,
        results=results,
        findings=sorted(known, key=lambda one: one.level != "alert"),
        stale=tuple(stale),
        missing=tuple(missing),
        without_meaning=without,
    )


def _stored(run: Run, probe: Probe) -> xr.Dataset | None:
    """Return a stored result; None where there is none with all that the probe now promises."""
    if not result.path_of(run, probe.name).exists():
        return None
    found = result.load(run, probe.name)
    return found if set(probe.writes) <= set(map(str, found.data_vars)) else None
