"""Print findings, one per line."""

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from jtdiag.printable import printable
from jtdiag.probing.findings import Finding


def print_findings(console: Console, findings: Iterable[Finding]) -> None:
    """Print each finding on a line of its own, alerts first."""
    for finding in sorted(findings, key=lambda finding: finding.level != "alert"):
        print_finding(console, finding)


def print_finding(console: Console, finding: Finding, prefix: str = "") -> None:
    """Print a finding, with a prefix before its sentence such as the name of the run."""
    alert = finding.level == "alert"
    mark, style = ("ALERT", "bold red") if alert else ("  -  ", "")
    # A single print: a live display redraws itself between two.
    text = printable(f"{prefix}{finding.sentence}")
    line = Text.assemble((mark, style), " ", text)
    console.print(line, highlight=False, soft_wrap=True)
