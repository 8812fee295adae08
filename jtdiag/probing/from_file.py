"""A probe from a Python file, by its address ``FILE.py:NAME``, without being installed."""

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from jtdiag.errors import ProbeError
from jtdiag.probing.contract import Probe
from jtdiag.probing.registry import load_probe, probe_names
from jtdiag.recipe import checks as check


def load(address: str) -> Probe:
    """Return the probe at ``FILE.py:NAME``.

    Raises:
        ProbeError: if there is no such file or name, the file cannot be imported, what it has is
            no probe, or an installed probe of another file has the same name.
    """
    where, colon, name = address.rpartition(":")
    if not colon or not name or not where.endswith(".py"):
        raise ProbeError(f"'{address}' is no address of a probe; write FILE.py:NAME.")
    path = Path(where)
    if not path.is_file():
        raise ProbeError(f"There is no file {where}; name the file of your probe as FILE.py:NAME.")
    module = _imported(path.resolve(), where)
    if not hasattr(module, name):
        probes = [n for n, value in vars(module).items() if isinstance(value, Probe)]
        known = f"Its probes: {', '.join(probes)}." if probes else "It has no probe."
        raise ProbeError(f"{where} has no '{name}'.{check.nearest(name, probes)} {known}")
    found = getattr(module, name)
    if not isinstance(found, Probe):
        raise ProbeError(
            f"{address} is a {type(found).__name__} and must be a probe: "
            "decorate the function with @jtdiag.asks, or make a Probe."
        )
    if found.name in probe_names() and load_probe(found.name).source != found.source:
        raise ProbeError(
            f"{address} calls itself '{found.name}', as an installed probe does; give it another "
            "name, since results are stored by that name."
        )
    return found


def _imported(path: Path, where: str) -> ModuleType:
    """Run a file as a module of its own; whatever stops it is its author's to mend."""
    spec = importlib.util.spec_from_file_location(f"jtdiag_probe_file_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ProbeError(f"{where} cannot be imported as Python.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        said = " ".join(str(error).split()) or "no message"
        raise ProbeError(
            f"{where}, line {_line(error, path)}: {type(error).__name__}: {said}"
        ) from error
    return module


def _line(error: Exception, path: Path) -> int:
    """Return the last line of the file itself that an error has passed."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno or 0
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return next((line for line in reversed(lines) if line), 0)
