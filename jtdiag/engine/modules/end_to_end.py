"""The credit "end-to-end": backpropagation through all modules, the default."""

from typing import Any

from jtdiag.recipe.modules import END_TO_END, CreditRecord

HEADS = ("head_layers", "pool", "auxiliary_rate")
"""Fields of [modules] that describe local heads."""


def build(setting: Any) -> Any:
    """Return the credit."""
    from jtdiag.engine.modules.local_credit import EndToEnd

    return EndToEnd(setting)


CREDIT = CreditRecord(name=END_TO_END, build=build, fields=("watch", *HEADS))
