"""The credit "targets": modules follow targets for their outputs (Lee et al. 2015)."""

from typing import Any

from jtdiag import names
from jtdiag.recipe.modules import CreditRecord


def build(setting: Any) -> Any:
    """Return the credit."""
    from jtdiag.engine.modules.targets_credit import Targets

    return Targets(setting)


CREDIT = CreditRecord(
    name="targets",
    build=build,
    fields=("step", "first", "inverse", "noise", "rates", "auxiliary_rate"),
    metrics={
        names.INVERSE_ERROR: (
            names.FRACTION,
            "squared error with which the inverse of a module reconstructs its input, relative to "
            "the variance of the input over examples",
        )
    },
)
