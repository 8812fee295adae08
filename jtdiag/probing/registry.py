"""The registry of probes: entry points of the group ``jtdiag.probes``."""

from typing import TYPE_CHECKING, Final

from jtdiag.errors import ProbeError
from jtdiag.loading import Registry

if TYPE_CHECKING:  # with xarray, which a list of names does without
    from jtdiag.probing.contract import Probe

PROBES: Final["Registry[Probe]"] = Registry(
    group="jtdiag.probes",
    kind="jtdiag.probing.contract:Probe",
    noun="probe",
    plural="probes",
    error=ProbeError,
)
