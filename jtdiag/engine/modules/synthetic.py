"""The credit "synthetic": modules follow predictions of their gradients (Jaderberg et al. 2017)."""

from typing import Any

from jtdiag import names
from jtdiag.recipe.modules import CreditRecord


def build(setting: Any) -> Any:
    """Return the credit."""
    from jtdiag.engine.modules.synthetic_credit import Synthetic

    return Synthetic(setting)


CREDIT = CreditRecord(
    name="synthetic",
    build=build,
    fields=(
        "label",
        "warmup",
        "mu",
        "mu_schedule",
        "mu_start",
        "mu_epochs",
        "head_layers",
        "rates",
        "auxiliary_rate",
    ),
    metrics={
        names.SYNTHETIC_R2: (
            names.FRACTION,
            "share of the variance over examples of the gradient with respect to a module's "
            "output, as the module above returns it, that its synthesiser explains",
        )
    },
)
