"""The credit "frozen": hidden modules stay as they began, and the head is trained: a control."""

from typing import Any

from jtdiag.engine.modules.end_to_end import HEADS
from jtdiag.recipe.modules import CreditRecord


def build(setting: Any) -> Any:
    """Return the credit."""
    from jtdiag.engine.modules.local_credit import Frozen

    return Frozen(setting)


CREDIT = CreditRecord(name="frozen", build=build, fields=("watch", "rates", *HEADS))
