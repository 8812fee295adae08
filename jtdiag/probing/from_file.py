"""A probe from a Python file, by its address ``FILE.py:NAME``, without being installed."""

from jtdiag import loading
from jtdiag.errors import ProbeError, nearest
from jtdiag.probing.contract import Probe
from jtdiag.probing.registry import PROBES


def load(address: str) -> Probe:
    """Return the probe at ``FILE.py:NAME``.

    Raises:
        ProbeError: if there is no such file or name, the file cannot be imported, what it has is
            no probe, or an installed probe of another file has the same name.
    """
    where, name = loading.split(address)
    if not where.endswith(".py"):
        raise ProbeError(f"'{address}' is not the address of a probe; write FILE.py:NAME.")
    module = loading.load_module("--probe", address, ProbeError)
    probes = [n for n, value in vars(module).items() if isinstance(value, Probe)]
    if not hasattr(module, name):
        listed = f"Its probes: {', '.join(probes)}." if probes else "It has no probe."
        raise ProbeError(f"{where} has no '{name}'.{nearest(name, probes)} {listed}")
    probe = getattr(module, name)
    if not isinstance(probe, Probe):
        raise ProbeError(
            f"{address} is of type {type(probe).__name__} and must be a probe: "
            "decorate the function with @jtdiag.asks, or make a Probe."
        )
    if probe.name in PROBES.names() and PROBES.find(probe.name).source != probe.source:
        raise ProbeError(
            f"{address} has the name '{probe.name}', which an installed probe has already; give it "
            "another name, since results are stored by name."
        )
    return probe
