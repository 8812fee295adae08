"""The registry of probes: entry points of the group ``jtdiag.probes``."""

from typing import Final

from jtdiag.errors import ProbeError
from jtdiag.loading import Registry
from jtdiag.probing.contract import Probe

PROBES: Final[Registry[Probe]] = Registry(
    group="jtdiag.probes",
    kind="jtdiag.probing.contract:Probe",
    noun="probe",
    plural="probes",
    error=ProbeError,
)
