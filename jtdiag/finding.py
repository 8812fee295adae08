"""Findings: a number, the limit that it is compared with, and a sentence to act on."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from jtdiag.errors import StoreError
from jtdiag.lanes import write_atomically

LOG = "findings.jsonl"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a probe has found out about a run."""

    probe: str
    rule: str
    """What was compared; with `lam` it names the finding."""
    level: Literal["info", "alert"]
    sentence: str
    number: float
    limit: float | None = None
    """None where nothing is compared."""
    lam: float | None = None
    trials: tuple[int, ...] = ()
    """Trials in which it was found."""
    epoch: int | None = None
    members: tuple[int, ...] = ()


def read(run: Path) -> list[Finding]:
    """Return the findings in a run's folder; none where no probe has been asked yet."""
    path = run / LOG
    if not path.exists():
        return []
    found = []
    try:
        text = path.read_text(encoding="utf-8").removesuffix("\n")
        for line in text.split("\n") if text else ():
            values = json.loads(line)
            values["trials"], values["members"] = tuple(values["trials"]), tuple(values["members"])
            found.append(Finding(**values))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(
            f"{path}: is not a list of findings ({error}). Delete it and run `jtdiag probe {run}`."
        ) from error
    return found


def record(run: Path, probe: str, findings: Iterable[Finding]) -> None:
    """Put a probe's findings in the place of those it had in a run's folder."""
    others = [finding for finding in read(run) if finding.probe != probe]
    lines = [json.dumps(asdict(finding), ensure_ascii=False) for finding in (*others, *findings)]
    try:
        write_atomically(run / LOG, "\n".join([*lines, ""]))
    except OSError as error:
        raise StoreError(f"{run / LOG}: cannot be written: {error}.") from error
