"""Findings of the rules in a run's findings.jsonl, kept up to date while it trains."""

from pathlib import Path

from jtdiag.alerts.dispatch import Say, say
from jtdiag.errors import StoreError
from jtdiag.probing import findings as finding
from jtdiag.probing.findings import Finding


class Record:
    """Replaces a run's findings under one source; a disk that refuses is a line, told once.

    All findings are written every time, so what could not be written then is written next time.
    """

    def __init__(self, source: str, say: Say = say) -> None:
        self._source, self._say = source, say
        self._failing = False

    def write(self, run: Path, findings: list[Finding]) -> None:
        """Put the findings in the place of those that are there. Never raises."""
        try:
            finding.record(run, self._source, findings)
        except StoreError as error:
            if not self._failing:
                self._say(f"{error} Training goes on; the next alert tries again.")
            self._failing = True
        else:
            self._failing = False
