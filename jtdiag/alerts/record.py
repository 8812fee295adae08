"""Findings of rules in a run's findings.jsonl, updated during training."""

from pathlib import Path

from jtdiag.alerts import wording
from jtdiag.alerts.dispatch import PrintLine, print_error
from jtdiag.errors import StoreError
from jtdiag.probing import findings as stored_findings
from jtdiag.probing.findings import Finding


class Record:
    """Replaces the findings of one probe in a run's folder. Errors are printed once.

    All findings are written each time, so the next successful write completes the file.
    """

    def __init__(self, probe: str, print_line: PrintLine = print_error) -> None:
        self._probe, self._print_line = probe, print_line
        self._failing = False

    def write(self, run: Path, findings: list[Finding]) -> None:
        """Replace the probe's findings in a run's folder. Never raises."""
        try:
            stored_findings.record(run, self._probe, findings)
        except StoreError as error:
            if not self._failing:
                self._print_line(wording.not_recorded(str(error)))
            self._failing = True
        else:
            self._failing = False
