"""Findings of probes: a number, its limit and a sentence; stored as ``findings.jsonl`` in a run."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from jtdiag import files
from jtdiag.errors import StoreError
from jtdiag.printable import shell_word

LOG = "findings.jsonl"
LOCK = "findings.lock"
"""Locked by the process that rewrites the findings; the lock of a dead process is released."""
LEVELS = ("info", "alert")
PATIENCE = 5.0
"""Seconds to wait for another process that is writing findings, which takes milliseconds."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One result of judging a run: a number, what it is compared with, and a sentence."""

    probe: str
    rule: str
    """What was compared; a finding is identified by probe, rule and λ."""
    level: Literal["info", "alert"]
    sentence: str
    """A complete sentence with its numbers; starts with the λ if it concerns a single one."""
    number: float
    limit: float | None = None
    """None if the number is not compared with a limit."""
    lam: float | None = None
    trials: tuple[int, ...] = ()
    """Trials that the finding applies to."""
    epoch: int | None = None
    members: tuple[int, ...] = ()
    headline: str = ""
    """The finding in at most a dozen words, for the head of a report: lower case, no full stop.
    Empty if the finding is a detail."""


def read(run: Path) -> list[Finding]:
    """Return the findings in a run's folder; empty if no probe has been run yet.

    Raises:
        StoreError: if the file is damaged.
    """
    path = run / LOG
    if not path.exists():
        return []
    findings = []
    try:
        text = path.read_text(encoding="utf-8").removesuffix("\n")
        for line in text.split("\n") if text else ():
            findings.append(_parsed(line))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(
            f"{path} is not a list of findings ({error}). Delete it and run `jtdiag probe "
            f"{shell_word(run)}`."
        ) from error
    return findings


def _parsed(line: str) -> Finding:
    """Return the finding of a line.

    Raises:
        ValueError: if the line was changed after it was written.
    """
    fields = json.loads(line)
    if files.CHECKSUM in fields:  # lines of older versions have none
        fields = files.without_checksum(fields)
    if fields["level"] not in LEVELS:
        raise ValueError(f"the level of a finding is {fields['level']!r}")
    fields["trials"], fields["members"] = tuple(fields["trials"]), tuple(fields["members"])
    return Finding(**fields)


def _line(finding: Finding) -> str:
    fields = json.loads(json.dumps(asdict(finding)))  # as they are read: lists, not tuples
    return json.dumps(files.with_checksum(fields), ensure_ascii=False)


def record(run: Path, probe: str, findings: Iterable[Finding]) -> None:
    """Replace a probe's findings in a run's folder.

    Safe to call from several processes: probes, `jtdiag watch` and training.

    Raises:
        StoreError: if the findings cannot be read or written; the file is left unchanged.
    """
    new = list(findings)
    try:
        with files.locked(run / LOCK, PATIENCE):
            kept = [finding for finding in read(run) if finding.probe != probe]
            lines = [_line(finding) for finding in (*kept, *new)]
            files.write_atomically(run / LOG, "\n".join([*lines, ""]))
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"{run / LOG}: cannot be written: {error}.") from error
