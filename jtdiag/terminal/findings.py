"""Findings as a person reads them."""

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from jtdiag.probing.findings import Finding


def print_findings(console: Console, findings: Iterable[Finding]) -> None:
    """Print each finding as a line, alerts first and marked."""
    for finding in sorted(findings, key=lambda f: f.level != "alert"):
        print_finding(console, finding)


def print_finding(console: Console, finding: Finding, before: str = "") -> None:
    """Print one finding, with words before its sentence such as the name of the run."""
    alert = finding.level == "alert"
    mark, style = ("ALERT", "bold red") if alert else ("  -  ", "")
    # In one piece: a live display draws itself anew between two.
    line = Text.assemble((mark, style), " ", before, finding.sentence)
    console.print(line, highlight=False, soft_wrap=True)
