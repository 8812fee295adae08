"""The credit "proxy": modules one after the other, each by the kernel of its outputs alone."""

from typing import Any

from jtdiag import names
from jtdiag.recipe.modules import CreditRecord


def build(setting: Any) -> Any:
    """Return the credit."""
    from jtdiag.engine.modules.proxy_credit import Proxy

    return Proxy(setting)


CREDIT = CreditRecord(
    name="proxy",
    build=build,
    fields=("epochs", "pairs", "pool", "rates", "temperature"),
    losses=("al", "nmse", "raw", "neo", "cts"),
    one_by_one=True,
    metrics={
        names.PROXY: (
            names.FRACTION,
            "proxy of the kernel of a module's outputs, of the module that the epoch trains",
        )
    },
)
