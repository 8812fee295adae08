"""Findings of probes: a number, its limit and a sentence; stored as ``findings.jsonl`` in a run."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Literal

from jtdiag import files
from jtdiag.errors import StoreError
from jtdiag.objects import mirror
from jtdiag.printable import shell_word
from jtdiag.probing import result_seal
from jtdiag.store import formats

LOG = "findings.jsonl"
LOCK = "findings.lock"
"""Locked by the process that rewrites the findings; the lock of a dead process is released."""
LEVELS = ("info", "alert")
FORMAT = 2
"""Format of a line. 2 has its number, the number of lines, and a checksum; 1 has no format."""
EMPTY = "\n"
"""Content of the file if there are no findings; an empty file was cut short."""
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

    def __str__(self) -> str:
        """Return the sentence, after "ALERT" if the finding is one."""
        return f"ALERT {self.sentence}" if self.level == "alert" else self.sentence

    def _repr_html_(self) -> str:
        """Return the sentence, for notebooks."""
        mark = "<strong>ALERT</strong> " if self.level == "alert" else ""
        return f"<p>{mark}{escape(self.sentence)}</p>"


def read(run: Path, *, lost: bool = False) -> list[Finding]:
    """Return the findings in a run's folder; empty if no probe has been run yet.

    Args:
        run: The folder.
        lost: Whether the file may have been lost: then there are no findings, and no error.

    Raises:
        StoreError: if the file is damaged, or missing although the run has results.
    """
    path = run / LOG
    if not lost and are_lost(run):
        raise StoreError(
            f"{path} is missing or empty, although there are results. Write it again with: "
            f"jtdiag probe {shell_word(run)}"
        )
    if not path.exists():
        return []
    try:
        text = path.read_text(encoding="utf-8").removesuffix("\n")
        lines = text.split("\n") if text else []
        return [_parsed(path, line, i, len(lines)) for i, line in enumerate(lines, 1)]
    except StoreError:
        raise
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(
            f"{path} is not a list of findings ({error}). Delete it and run `jtdiag probe "
            f"{shell_word(run)}`."
        ) from error


def are_lost(run: Path) -> bool:
    """Return whether a run has sealed results but no file of findings, or an empty one."""
    path = run / LOG
    if path.exists() and path.stat().st_size > 0:
        return False
    return any((run / result_seal.FOLDER).glob("*.json"))


def _parsed(path: Path, line: str, number: int, lines: int) -> Finding:
    """Return the finding of a line, given which of how many lines it is.

    Raises:
        ValueError: if the line was changed after it was written, or others are missing.
        NewerFormatError: if it was written by a newer version.
    """
    fields = json.loads(line)
    if files.CHECKSUM in fields:  # lines of older versions have none
        fields = files.without_checksum(fields)
    formats.require(path, "list of findings", fields.pop("format", 1), FORMAT)
    if (fields.pop("line", number), fields.pop("lines", lines)) != (number, lines):
        raise ValueError("lines are missing, or were moved")
    if fields["level"] not in LEVELS:
        raise ValueError(f"the level of a finding is {fields['level']!r}")
    fields["trials"], fields["members"] = tuple(fields["trials"]), tuple(fields["members"])
    return Finding(**fields)


def _line(finding: Finding, number: int, lines: int) -> str:
    place = {"format": FORMAT, "line": number, "lines": lines}
    # As they are read: lists, not tuples.
    fields = json.loads(json.dumps(asdict(finding) | place))
    return json.dumps(files.with_checksum(fields), ensure_ascii=False)


def _replaced(old: list[Finding], probe: str, new: list[Finding]) -> list[Finding]:
    """Return findings in which those of a probe are replaced where they are, or appended."""
    place = next((i for i, finding in enumerate(old) if finding.probe == probe), len(old))
    after = [finding for finding in old[place:] if finding.probe != probe]
    return [*old[:place], *new, *after]


def begin(run: Path) -> None:
    """Create the file of findings before a run's first result is saved.

    A process may be killed between the two; a file that is missing is then known to be lost.

    Raises:
        StoreError: if it cannot be written.
    """
    try:
        with files.locked(run / LOCK, PATIENCE):
            if not (run / LOG).exists() and not are_lost(run):
                mirror.update(run / LOG, lambda: _begin(run))
    except OSError as error:
        raise StoreError(f"{run / LOG}: cannot be written: {error}.") from error


def _begin(run: Path) -> None:
    if not (run / LOG).exists():
        files.write_atomically(run / LOG, EMPTY)


def record(run: Path, probe: str, findings: Iterable[Finding]) -> None:
    """Replace a probe's findings in a run's folder.

    Safe to call from several processes: probes, `jtdiag watch` and training.

    Raises:
        StoreError: if the findings cannot be read or written; the file is left unchanged.
    """
    new = list(findings)
    try:
        with files.locked(run / LOCK, PATIENCE):
            mirror.update(run / LOG, lambda: _write(run, probe, new))
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"{run / LOG}: cannot be written: {error}.") from error


def _write(run: Path, probe: str, new: list[Finding]) -> None:
    total = _replaced(read(run, lost=True), probe, new)
    lines = [_line(finding, i, len(total)) for i, finding in enumerate(total, 1)]
    files.write_atomically(run / LOG, "\n".join([*lines, ""]) or EMPTY)
