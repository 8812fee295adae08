"""What the pictures of a run and of a folder have in common: a page, its lines, its words."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from jtdiag.probing.findings import Finding
from jtdiag.terminal.sparkline import bar, sparkline
from jtdiag.watch.one_lane import LaneWatch
from jtdiag.watch.one_run import RunWatch

STYLES = {
    "training": "green",
    "silent": "yellow",
    "stopped": "yellow",
    "dead": "bold red",
    "unreadable": "bold red",
    "waiting": "dim",
    "done": "",
}
ALERT = "bold red"
NUMBER = 7
"""Characters that an error takes."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """Where a picture has to fit."""

    width: int
    height: int | None = None
    """None: as long as it takes."""
    ascii_only: bool = False

    def fitted(self, lines: Iterable[Text]) -> list[Text]:
        """Return the lines, none wider than the page, and no more than it holds."""
        found = list(lines)[: self.height]
        for line in found:
            line.no_wrap = True
            line.truncate(self.width, overflow="ellipsis")
        return found

    def path(self, path: Path, beside: int) -> str:
        """Return a path, of a long one its end, so that there is room for so much beside it."""
        said, room = str(path), max(12, self.width - beside)
        return said if len(said) <= room else f"…{said[1 - room :]}"

    def bar(self, done: int, whole: int, width: int) -> Text:
        """Return a bar."""
        full, rest = bar(done, whole, width, ascii_only=self.ascii_only)
        return Text.assemble((full, "green"), (rest, "dim"))

    def courses(self, lane: LaneWatch | None, width: int, top: float) -> tuple[str, str]:
        """Return the sparklines of the ensemble and of the median member, padded."""
        if lane is None:
            return " " * width, " " * width
        drawn = (
            sparkline(values, width, top, ascii_only=self.ascii_only)
            for values in (lane.ensemble, lane.median)
        )
        ensemble, median = (line.ljust(width) for line in drawn)
        return ensemble, median


def errors_of(lane: LaneWatch | None) -> tuple[str, str, str, str]:
    """Return the errors of ensemble, median member and leader, and who that is; or dashes."""
    errors = None if lane is None else lane.errors
    if errors is None:
        return "-", "-", "-", ""
    found = (percent(error) for error in (errors.ensemble, errors.median, errors.best))
    ensemble, median, best = found
    return ensemble, median, best, f"#{errors.leader}"


def percent(error: float) -> str:
    """Return an error in percent, in at most `NUMBER` characters; a dash where it is no number."""
    if not math.isfinite(error):
        return "-"
    if error >= 99.995:
        return ">9999 %"
    return f"{100 * error:.1f} %" if error < 10 else f"{100 * error:.0f} %"


def longest_course(lanes: Iterable[LaneWatch]) -> int:
    """Return how many characters a sparkline can use at most."""
    return max((len(lane.ensemble) for lane in lanes), default=0)


def highest(lanes: Iterable[LaneWatch]) -> float:
    """Return what the highest block stands for: the largest error shown, and 1 at most."""
    shown = (e for lane in lanes for e in (*lane.ensemble, *lane.median) if math.isfinite(e))
    return min(1.0, max(shown, default=1.0))


def counted(number: int, what: str) -> str:
    """Return "1 alert", "2 alerts"."""
    return f"{number} {what}" + ("" if number == 1 else "s")


def state_of(run: RunWatch) -> str:
    """Return a run's state in at most 11 characters; of a silent one, for how long."""
    if run.state == "silent":
        return f"silent {duration(run.heartbeat.quiet)}"
    if run.state == "done" and any(lane.seal.stopped for lane in run.lanes):
        return "stopped" if all(lane.seal.stopped for lane in run.lanes) else "done"
    return run.state or "waiting"


def duration(seconds: float) -> str:
    """Return "50s", "12m" or "3h"."""
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s"


def style_of(state: str) -> str:
    """Return the style of a state, as `state_of` or a lane's row has it."""
    return STYLES.get(state.partition(" ")[0], "")


def finding_line(one: Finding, before: str = "") -> Text:
    """Return a finding in one line of any length."""
    alert = one.level == "alert"
    mark = ("ALERT ", ALERT) if alert else ("  -   ", "")
    return Text.assemble(before, mark, one.sentence)


def wrapped(findings: Sequence[Finding], page: Page, room: int | None) -> list[Text]:
    """Return findings, alerts first, in so many lines; what does not fit is cut or counted."""
    ordered = sorted(findings, key=lambda one: one.level != "alert")
    whole = [_wrap(finding_line(one), page.width) for one in ordered]
    if room is None or sum(map(len, whole)) <= room:
        return [line for lines in whole for line in lines]
    if room < 1:
        return []
    each = max(1, (room - 1) // max(1, len(whole)))
    fitting = (room - 1) // each
    lines = [line for found in whole[:fitting] for line in _cut(found, each)]
    left = len(whole) - fitting
    if left > 0:
        lines.append(Text(f"… {counted(left, 'more finding')}", style="dim"))
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
