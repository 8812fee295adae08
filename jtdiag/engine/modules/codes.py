"""The credit "codes": modules follow auxiliary variables (Carreira-Perpinan & Wang 2014)."""

from typing import Any

from jtdiag import names
from jtdiag.recipe.modules import CreditRecord


def build(setting: Any) -> Any:
    """Return the credit."""
    from jtdiag.engine.modules.codes_credit import Codes

    return Codes(setting)


CREDIT = CreditRecord(
    name="codes",
    build=build,
    fields=("rho", "sweeps", "code_step", "rates"),
    metrics={
        names.ENERGY: (
            names.NAT,
            "energy at the codes that a step has found: ρ/2 times the squared distance of a "
            "module's code from its output; of the last module, the loss",
        ),
        names.ENERGY_BEFORE: (
            names.NAT,
            "energy at the codes with which a step begins, the outputs of the modules: 0, and of "
            "the last module the loss",
        ),
    },
)
