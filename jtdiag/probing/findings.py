"""Findings: a number, the limit that it is compared with, and a sentence to act on."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from jtdiag.errors import StoreError
from jtdiag.files import locked, write_atomically

LOG = "findings.jsonl"
LOCK = "findings.lock"
"""Whoever rewrites the findings holds a lock on this file; a dead process's lock is gone."""
PATIENCE = 5.0
"""Seconds to wait for another process that writes the findings; it takes milliseconds."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a probe has found out about a run."""

    probe: str
    rule: str
    """What was compared; with `lam` it names the finding."""
    level: Literal["info", "alert"]
    sentence: str
    """Complete, with its numbers; starts with the λ that it is about, if it is about one."""
    number: float
    limit: float | None = None
    """None where nothing is compared."""
    lam: float | None = None
    trials: tuple[int, ...] = ()
    """Trials in which it was found."""
    epoch: int | None = None
    members: tuple[int, ...] = ()
    headline: str = ""
    """The same in at most a dozen words for the head of a report: no capital, no full stop; empty
    where the finding is a detail."""


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
    """Put a probe's findings in the place of those it had in a run's folder.

    Several processes may record at once: a probe, a watcher, training itself.

    Raises:
        StoreError: if the findings cannot be read or written; what was there stays.
    """
    new = list(findings)
    try:
        with locked(run / LOCK, PATIENCE):
            others = [finding for finding in read(run) if finding.probe != probe]
            lines = [json.dumps(asdict(one), ensure_ascii=False) for one in (*others, *new)]
            write_atomically(run / LOG, "\n".join([*lines, ""]))
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"{run / LOG}: cannot be written: {error}.") from error
