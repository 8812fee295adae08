"""What `jtdiag check` prints."""

import json
from collections.abc import Sequence
from typing import Any

from jtdiag.printable import printable_json
from jtdiag.store.check import Damage
from jtdiag.terminal import wording
from jtdiag.workflows.check import Checked


def lines(checked: Checked) -> str:
    """Return one line if a run is intact, else one line per damage and one that counts them."""
    damages = [wording.damage(_place(damage), damage.reason) for damage in checked.damages]
    summary = wording.checked(
        str(checked.path),
        parts=checked.store.parts,
        results=checked.results,
        damages=len(damages),
        by_place=checked.store.by_place,
    )
    return "\n".join([*damages, summary])


def as_json(outcomes: Sequence[Checked]) -> str:
    """Return the outcomes of several runs as a JSON list."""
    document = [_table(checked) for checked in outcomes]
    return printable_json(json.dumps(document, ensure_ascii=False, indent=1))


def _table(checked: Checked) -> dict[str, Any]:
    return {
        "run": str(checked.path),
        "intact": checked.intact,
        "parts": checked.store.parts,
        "results": checked.results,
        "checksums_by_place": checked.store.by_place,
        "damages": [
            {
                "lam_index": None if damage.lane is None else damage.lane.lam_index,
                "trial": None if damage.lane is None else damage.lane.trial,
                "epoch": damage.epoch,
                "variable": damage.variable,
                "reason": damage.reason,
            }
            for damage in checked.damages
        ],
    }


def _place(damage: Damage) -> str:
    lane = [] if damage.lane is None else [f"lane {damage.lane.key}"]
    epoch = [] if damage.epoch is None else [f"epoch {damage.epoch}"]
    return ", ".join([*lane, *epoch, *([damage.variable] if damage.variable else [])])
