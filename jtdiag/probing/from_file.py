"""Load a probe from a Python file by its address, ``FILE.py:NAME``, without installing it."""

from jtdiag import loading
from jtdiag.errors import ProbeError, nearest
from jtdiag.probing.contract import Probe
from jtdiag.probing.registry import PROBES


def load(address: str) -> Probe:
    """Return the probe at ``FILE.py:NAME``.

    Raises:
        ProbeError: if the file or the name does not exist, the file cannot be imported, the object
            is not a probe, or an installed probe from another file has the same name.
    """
    path, name = loading.split(address)
    if not path.endswith(".py"):
        raise ProbeError(f"'{address}' is not the address of a probe; write FILE.py:NAME.")
    module = loading.load_module("--probe", address, ProbeError)
    probes = [key for key, value in vars(module).items() if isinstance(value, Probe)]
    if not hasattr(module, name):
        available = f"Its probes: {', '.join(probes)}." if probes else "It defines no probe."
        raise ProbeError(f"{path} has no '{name}'.{nearest(name, probes)} {available}")
    probe = getattr(module, name)
    if not isinstance(probe, Probe):
        raise ProbeError(
            f"{address} is of type {type(probe).__name__} and must be a probe: "
            "decorate the function with @jtdiag.asks, or create a Probe."
        )
    if probe.name in PROBES.names() and PROBES.find(probe.name).source != probe.source:
        raise ProbeError(
            f"{address} is named '{probe.name}', as is an installed probe. Choose another name; "
            "results are stored by name."
        )
    return probe
