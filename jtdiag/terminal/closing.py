"""What commands end with: one table, the alerts, files, the answer, and what to do next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from rich.table import Table
from rich.text import Text

from jtdiag import names
from jtdiag.printable import shell_word
from jtdiag.report.answer import lanes_not_used, sentences
from jtdiag.report.evidence import Evidence
from jtdiag.tables.performance import HEADINGS, performance_rows
from jtdiag.terminal import wording
from jtdiag.terminal.console import Console
from jtdiag.terminal.echo import echo
from jtdiag.terminal.findings import print_findings
from jtdiag.terminal.output_style import OutputStyle
from jtdiag.terminal.plain_values import json_line, plain_values

SKILL_RULE = "dominance"
"""Rule whose number is printed when no rule has fired."""


@dataclass(frozen=True, kw_only=True)
class Closing:
    """What a command has to say about a run at its end."""

    evidence: Evidence
    """Stored results and findings of the run."""
    figures: Sequence[Path] = ()
    """Files to look at."""
    commands: Sequence[str] = ()
    """Commands to run next."""
    style: OutputStyle = "brief"
    """"verbose" for every finding, "json" for one object, "quiet" for nothing."""


def print_closing(console: Console, closing: Closing) -> None:
    """Print the test errors, the alerts, files, the answer in up to three sentences, and commands.

    The answer is near the end, which is what a terminal shows. Lanes that are not complete or not
    used are named before it, unless every finding is printed.
    """
    if closing.style == "json":
        _print_as_json(closing.evidence)
    elif closing.style != "quiet":
        _print_as_text(console, closing)


def _print_as_text(console: Console, closing: Closing) -> None:
    evidence, verbose = closing.evidence, closing.style == "verbose"
    if "performance" in evidence.results:
        console.print(error_table(evidence.results["performance"]))
    if not (verbose and _has_alerts(evidence)):  # they are among the findings
        _print(console, alert_line(evidence))
    if verbose:
        print_findings(console, evidence.findings)
    elif evidence.findings:
        _print(console, wording.more_in_report(len(evidence.findings)))
    if closing.figures:
        _print(console, wording.files(closing.figures))
    for sentence in (*(() if verbose else lanes_not_used(evidence)), *sentences(evidence)):
        _print(console, sentence)
    if closing.commands:
        _print(console, wording.next_commands(closing.commands))


def _print_as_json(evidence: Evidence) -> None:
    """Print one object: the run, the answer in up to three sentences, and all findings."""
    findings = [plain_values(finding) for finding in evidence.findings]
    answer = {"answer": sentences(evidence), "findings": findings}
    echo(json_line({"run": str(evidence.run.path), **answer}))


def error_table(performance: xr.Dataset) -> Table:
    """Return the test errors of the ensemble and its members by λ."""
    table = Table(title=wording.error_table_title())
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    for row in performance_rows(performance):
        table.add_row(*map(Text, row))
    return table


def _has_alerts(evidence: Evidence) -> bool:
    return any(finding.level == "alert" for finding in evidence.findings)


def alert_line(evidence: Evidence) -> str:
    """Return the alerts by rule and λ on one line, or that no rule has fired or could fire."""
    if _has_alerts(evidence):
        return wording.alerts(alerts_by_rule(evidence))
    if "alerts" not in evidence.results:
        return wording.alerts({})
    if evidence.results["alerts"].sizes[names.EPOCH] == 0:
        return wording.rules_without_training()
    of_rule = evidence.results["alerts"].sel(rule=SKILL_RULE)
    return wording.no_rule_fired(_lowest_at_end(of_rule["number"]), float(of_rule["limit"]))


def _lowest_at_end(number: xr.DataArray) -> float:
    """Return the lowest number over lanes, each after the last epoch that has one; NaN if none."""
    by_lane = number.transpose(..., names.EPOCH).values.reshape(-1, number.sizes[names.EPOCH])
    last = [lane[np.isfinite(lane)][-1] for lane in by_lane if np.isfinite(lane).any()]
    return float(min(last, default=np.nan))


def alerts_by_rule(evidence: Evidence) -> Mapping[str, Sequence[float]]:
    """Return the λs of alerts by rule, in the order of findings; without λ, the list is empty."""
    lams: dict[str, list[float]] = {}
    for finding in evidence.findings:
        if finding.level != "alert":
            continue
        of_rule = lams.setdefault(finding.rule, [])
        if finding.lam is not None and finding.lam not in of_rule:
            of_rule.append(finding.lam)
    return lams


def next_commands(run: Path, *names_of_commands: str) -> list[str]:
    """Return commands on a run, with its path quoted for a shell."""
    return [f"jtdiag {name} {shell_word(run)}" for name in names_of_commands]


def _print(console: Console, text: str) -> None:
    if text:
        console.print(text, highlight=False, markup=False, soft_wrap=True)
