"""Parts shared by the watch screens of a run and of a folder."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from jtdiag.printable import with_addresses
from jtdiag.probing.findings import Finding
from jtdiag.terminal import wording
from jtdiag.terminal.console import Console
from jtdiag.terminal.sparkline import bar, sparkline
from jtdiag.terminal.wording import percent
from jtdiag.watch.one_lane import LaneWatch
from jtdiag.watch.one_run import RunWatch

STYLES = {
    "training": "green",
    "stalled": "yellow",
    "stopped": "yellow",
    "exited": "bold red",
    "unreadable": "bold red",
    "waiting": "dim",
    "done": "",
}
ALERT = "bold red"
NUMBER = 7
"""Width of an error in characters."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """Size of the screen."""

    width: int
    height: int | None = None
    """None if the number of lines is not limited."""
    ascii_only: bool = False

    def fitted(self, lines: Iterable[Text]) -> list[Text]:
        """Return the lines cut to the width and height of the page."""
        kept = list(lines)[: self.height]
        for line in kept:
            line.no_wrap = True
            line.truncate(self.width, overflow="ellipsis")
        return kept

    def path(self, path: Path, reserved: int) -> str:
        """Return a path, cut at its start to leave `reserved` characters of the line free."""
        text, room = with_addresses(str(path)), max(12, self.width - reserved)
        return text if len(text) <= room else f"…{text[1 - room :]}"

    def bar(self, done: int, total: int, width: int) -> Text:
        """Return a progress bar."""
        full, rest = bar(done, total, width, ascii_only=self.ascii_only)
        return Text.assemble((full, "green"), (rest, "dim"))

    def curves(self, lane: LaneWatch | None, width: int, top: float) -> tuple[str, str]:
        """Return the sparklines of the ensemble and of the median member, padded."""
        if lane is None:
            return " " * width, " " * width
        ensemble, median = (
            sparkline(values, width, top, ascii_only=self.ascii_only).ljust(width)
            for values in (lane.ensemble, lane.median)
        )
        return ensemble, median


def errors_of(lane: LaneWatch | None) -> tuple[str, str, str, str]:
    """Return the errors of ensemble, median member and best member, and the index of the best."""
    errors = None if lane is None else lane.errors
    if errors is None:
        return "-", "-", "-", ""
    values = (errors.ensemble, errors.median, errors.best)
    ensemble, median, best = (percent(value) for value in values)
    return ensemble, median, best, f"#{errors.leader}"


def longest_curve(lanes: Iterable[LaneWatch]) -> int:
    """Return the length of the longest error curve."""
    return max((len(lane.ensemble) for lane in lanes), default=0)


def highest(lanes: Iterable[LaneWatch]) -> float:
    """Return the error of the highest block: the largest error in the lanes, at most 1."""
    errors = (e for lane in lanes for e in (*lane.ensemble, *lane.median) if math.isfinite(e))
    return min(1.0, max(errors, default=1.0))


def state_of(run: RunWatch) -> str:
    """Return a run's state in at most 11 characters; of a stalled run, with the idle time."""
    if run.state == "silent":
        return f"{wording.state(run.state)} {wording.short_duration(run.heartbeat.idle)}"
    if run.state == "done" and any(lane.seal.stopped for lane in run.lanes):
        return "stopped" if all(lane.seal.stopped for lane in run.lanes) else "done"
    return wording.state(run.state or "waiting")


def style_of(state: str) -> str:
    """Return the style of the displayed state of a run or a lane."""
    return STYLES.get(state.partition(" ")[0], "")


def finding_line(finding: Finding, indent: str = "") -> Text:
    """Return a finding as one line of any length."""
    alert = finding.level == "alert"
    mark = ("ALERT ", ALERT) if alert else ("  -   ", "")
    return Text.assemble(indent, mark, finding.sentence)


def wrapped(findings: Sequence[Finding], page: Page, room: int | None) -> list[Text]:
    """Return findings in at most `room` lines, alerts first; the rest is cut or counted."""
    ordered = sorted(findings, key=lambda finding: finding.level != "alert")
    blocks = [_wrap(finding_line(finding), page.width) for finding in ordered]
    if room is None or sum(map(len, blocks)) <= room:
        return [line for block in blocks for line in block]
    if room < 1:
        return []
    each = max(1, (room - 1) // max(1, len(blocks)))
    fitting = (room - 1) // each
    lines = [line for block in blocks[:fitting] for line in _cut(block, each)]
    left = len(blocks) - fitting
    if left > 0:
        lines.append(Text(wording.more_findings(left), style="dim"))
    return lines


def _wrap(text: Text, width: int) -> list[Text]:
    lines = text.wrap(Console(width=width), max(20, width - 6))
    for line in lines:
        line.rstrip()
    return [lines[0], *(Text("      ") + line for line in lines[1:])]


def _cut(lines: list[Text], count: int) -> list[Text]:
    kept = lines[:count]
    if len(lines) > count:
        kept[-1] = kept[-1] + Text(" …")
    return kept
