"""The watch screen of a folder: a row for each run, with its alerts below."""

from pathlib import Path

from rich.text import Text

from jtdiag.names import lam_text
from jtdiag.terminal import wording
from jtdiag.terminal.watch_page import (
    ALERT,
    NUMBER,
    Page,
    errors_of,
    finding_line,
    highest,
    longest_curve,
    state_of,
    style_of,
)
from jtdiag.watch.folder import FolderWatch
from jtdiag.watch.one_lane import LaneWatch
from jtdiag.watch.one_run import RunWatch

LONGEST = 32
"""Maximum width of a sparkline in characters."""
STATES = ("training", "stalled", "exited", "unreadable", "stopped", "done", "waiting")
"""Order of the states in the header."""
PRIORITY = ("unreadable", "stalled", "training", "exited", "stopped", "done", "waiting")
"""Order of the runs in the table."""


def of_folder(folder: FolderWatch, page: Page) -> list[Text]:
    """Return the screen of a folder as lines that fit the page."""
    head = header(folder, page)
    paths = ordered(folder)
    if not paths:
        return page.fitted([head, Text(), Text(wording.no_runs_yet(folder.folder))])
    columns = Columns(folder, page)
    blocks = [(path, columns.row(path), _details(folder, path)) for path in paths]
    room = None if page.height is None else max(1, page.height - 3)
    lines, left = _placed(blocks, room)
    if left:
        alerted = sum(bool(_alerts(folder, path)) for path in left)
        lines.append(Text(wording.more_runs(len(left), alerted), style="dim"))
    return page.fitted([head, Text(), columns.head(), *lines])


def header(folder: FolderWatch, page: Page) -> Text:
    """Return the number of runs in each state and the number of runs with alerts."""
    states = [state.partition(" ")[0] for state in map(state_of, _readable(folder).values())]
    states += ["unreadable"] * len(folder.troubled)
    alerted = wording.with_alerts(sum(bool(run.alerts) for run in folder.runs.values()))
    return Text.assemble(
        (page.path(folder.folder, reserved=60), "bold"),
        f"  {wording.folder_header(states, STATES)}",
        (f"  {alerted}" if alerted else "", ALERT),
    )


def ordered(folder: FolderWatch) -> list[Path]:
    """Return the runs, those that need attention first, by name within a state."""

    def rank(path: Path) -> tuple[bool, int, Path]:
        if path in folder.troubled:
            return True, 0, path
        run = folder.runs[path]
        state = state_of(run).partition(" ")[0]
        return not (run.alerts and not run.over), PRIORITY.index(state), path

    return sorted({**folder.runs, **dict.fromkeys(folder.troubled)}, key=rank)


def _readable(folder: FolderWatch) -> dict[Path, RunWatch]:
    return {path: run for path, run in folder.runs.items() if path not in folder.troubled}


def _alerts(folder: FolderWatch, path: Path) -> bool:
    return path in folder.runs and bool(folder.runs[path].alerts)


def _details(folder: FolderWatch, path: Path) -> list[Text]:
    """Return the lines below the row of a run: its problem, or its alerts."""
    if path in folder.troubled:
        return [Text(f"    {folder.troubled[path]}", style=ALERT)]
    run = folder.runs[path]
    trouble = [Text(f"    {run.trouble}", style="yellow")] if run.trouble else []
    return [*(finding_line(alert, "    ") for alert in run.alerts), *trouble]


def _placed(
    blocks: list[tuple[Path, Text, list[Text]]], room: int | None
) -> tuple[list[Text], list[Path]]:
    """Return the lines that fit and the runs that do not.

    Alerts get the lines that the rows leave free, but at least a third of the room.
    """
    if room is None:
        return [line for _, row, below in blocks for line in (row, *below)], []
    details_room = max(room // 3, room - len(blocks))
    count = min(details_room, sum(len(below) for _, _, below in blocks))
    rows = room - count
    if rows < len(blocks):
        rows -= 1  # for the line that counts the remaining runs
    lines = []
    for _, row, below in blocks[: max(0, rows)]:
        lines += [row, *below[:count]]
        count -= len(below[:count])
    return lines, [path for path, _, _ in blocks[max(0, rows) :]]


class Columns:
    """Columns of the table of runs."""

    def __init__(self, folder: FolderWatch, page: Page) -> None:
        self._folder, self._page = folder, page
        longest = max(len(folder.name(path)) for path in (*folder.runs, *folder.troubled))
        runs = folder.runs.values()
        self._lanes = max((2 * len(str(len(run.lanes))) + 1 for run in runs), default=5)
        self._lanes = max(5, self._lanes)
        states = [state_of(run) for run in runs] + ["unreadable"] * bool(folder.troubled)
        self._state = max(map(len, states))
        fixed = self._state + self._lanes + 5 + 6 + 2 * NUMBER + len("alerts")
        left = page.width - fixed - 10
        curve = max((longest_curve(run.lanes) for run in runs), default=0)
        self._spark = max(4, min(LONGEST, curve, (left - min(longest, 30)) // 2))
        self._name = max(8, min(longest, left - 2 * self._spark))

    def head(self) -> Text:
        """Return the headings."""
        width = NUMBER + 1 + self._spark
        median = "median member" if width > len("median member") else "median"
        line = (
            f"{'run':<{self._name}} {'state':<{self._state}} alerts {'lanes':>{self._lanes}} "
            f"{'done':>5}  {'at λ':>6} {'ensemble':<{width}} {median}"
        )
        return Text(line, style="dim")

    def row(self, path: Path) -> Text:
        """Return the row of a run, with the errors of the lane that saved an epoch last."""
        label = self._folder.name(path)
        if len(label) > self._name:
            label = f"…{label[1 - self._name :]}"
        name = Text(f"{label:<{self._name}}")
        if path in self._folder.troubled:
            return name.append(" ").append("unreadable", style=style_of("unreadable"))
        run = self._folder.runs[path]
        state, (done, total) = state_of(run), run.epochs
        lanes = f"{sum(lane.seal.done for lane in run.lanes)}/{len(run.lanes)}"
        line = Text.assemble(
            name,
            " ",
            (f"{state:<{self._state}} ", style_of(state)),
            (f"{len(run.alerts) or '':>6}", ALERT),
            f" {lanes:>{self._lanes}} {f'{100 * done // max(1, total)} %':>5}  ",
        )
        return line.append_text(self._lane(run.newest))

    def _lane(self, lane: LaneWatch | None) -> Text:
        ensemble, median, _, _ = errors_of(lane)
        ensembles, medians = self._page.curves(lane, self._spark, highest([lane] if lane else []))
        return Text.assemble(
            f"{lam_text(lane.lam) if lane else '':>6} ",
            f"{ensemble:>{NUMBER}} ",
            (ensembles, "cyan"),
            f" {median:>{NUMBER}} ",
            (medians, "blue"),
        )
