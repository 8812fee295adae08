"""Finding probes: ours and anybody's come in by the same door, the entry points of a package."""

from importlib.metadata import entry_points

from jtdiag.errors import ProbeError
from jtdiag.probing.contract import Probe
from jtdiag.recipe import checks as check

GROUP = "jtdiag.probes"


def probe_names() -> list[str]:
    """Return the names of all installed probes, in alphabetical order, without loading them."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def load_probe(name: str) -> Probe:
    """Return an installed probe.

    Raises:
        ProbeError: if there is none of that name, or what there is is not a probe.
    """
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            found = entry.load()
            if not isinstance(found, Probe):
                raise ProbeError(
                    f"Entry point {entry.value} gives a {type(found).__name__}; "
                    "a probe must be a jtdiag.probing.contract.Probe."
                )
            if found.name != name:
                raise ProbeError(
                    f"Entry point '{name}' gives a probe that calls itself '{found.name}'; "
                    "the two must be the same, since results are stored by that name."
                )
            return found
    known = probe_names()
    raise ProbeError(
        f"There is no probe '{name}'.{check.nearest(name, known)} Installed: {', '.join(known)}."
    )


def load_probes() -> list[Probe]:
    """Return all installed probes, in alphabetical order."""
    return [load_probe(name) for name in probe_names()]
