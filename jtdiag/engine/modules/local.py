"""The credit "local": every hidden module descends a loss of its own, all at the same time."""

from typing import Any

from jtdiag.engine.modules.end_to_end import HEADS
from jtdiag.recipe.modules import CreditRecord


def build(setting: Any) -> Any:
    """Return the credit."""
    from jtdiag.engine.modules.local_credit import Local

    return Local(setting)


CREDIT = CreditRecord(
    name="local",
    build=build,
    fields=(
        "mu",
        "mu_schedule",
        "mu_start",
        "mu_epochs",
        "reach",
        "lam",
        "rates",
        *HEADS,
        "beta",
        "reconstruction",
        "prediction",
        "temperature",
    ),
    losses=("pred", "sim", "predsim", "infopro", "contrast"),
)
