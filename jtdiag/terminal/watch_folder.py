"""The picture of a folder of runs that is watched: a row for each run, and its alerts below."""

from pathlib import Path

from rich.text import Text

from jtdiag.terminal.watch_page import (
    ALERT,
    NUMBER,
    Page,
    counted,
    errors_of,
    finding_line,
    highest,
    longest_course,
    state_of,
    style_of,
)
from jtdiag.watch.folder import FolderWatch
from jtdiag.watch.one_lane import LaneWatch
from jtdiag.watch.one_run import RunWatch

LONGEST = 32
"""Characters of a sparkline at most."""


def of_folder(folder: FolderWatch, page: Page) -> list[Text]:
    """Return the runs of a folder as lines that fit the page."""
    head = header(folder, page)
    paths = ordered(folder)
    if not paths:
        return page.fitted([head, Text(), Text(f"There is no run in {folder.folder} yet.")])
    columns = Columns(folder, page)
    blocks = [(path, columns.row(path), _expanded(folder, path)) for path in paths]
    room = None if page.height is None else max(1, page.height - 3)
    lines, left = _placed(blocks, room)
    if left:
        alerted = sum(bool(_alerts(folder, path)) for path in left)
        more = f", {alerted} with alerts" if alerted else ""
        lines.append(Text(f"… {counted(len(left), 'more run')}{more}", style="dim"))
    return page.fitted([head, Text(), columns.head(), *lines])


def header(folder: FolderWatch, page: Page) -> Text:
    """Return what is to be said of all runs, in a line."""
    states = [state.partition(" ")[0] for state in map(state_of, _readable(folder).values())]
    states += ["unreadable"] * len(folder.troubled)
    kinds = ("training", "silent", "dead", "unreadable", "stopped", "done", "waiting")
    said = ", ".join(f"{states.count(kind)} {kind}" for kind in kinds if kind in states)
    alerted = sum(bool(run.alerts) for run in folder.runs.values())
    count = counted(len(states), "run")
    return Text.assemble(
        (page.path(folder.folder, beside=60), "bold"),
        f"  {count}: {said}" if states else f"  {count}",
        (f"  {alerted} with alerts" if alerted else "", ALERT),
    )


def ordered(folder: FolderWatch) -> list[Path]:
    """Return the runs in the order in which they are worth looking at, each kind by name."""
    kinds = ("unreadable", "silent", "training", "dead", "stopped", "done", "waiting")

    def rank(path: Path) -> tuple[bool, int, Path]:
        if path in folder.troubled:
            return True, 0, path
        run = folder.runs[path]
        state = state_of(run).partition(" ")[0]
        return not (run.alerts and not run.over), kinds.index(state), path

    return sorted({**folder.runs, **dict.fromkeys(folder.troubled)}, key=rank)


def _readable(folder: FolderWatch) -> dict[Path, RunWatch]:
    return {path: run for path, run in folder.runs.items() if path not in folder.troubled}


def _alerts(folder: FolderWatch, path: Path) -> bool:
    return path in folder.runs and bool(folder.runs[path].alerts)


def _expanded(folder: FolderWatch, path: Path) -> list[Text]:
    """Return what stands below a run's row: its trouble, or its alerts."""
    if path in folder.troubled:
        return [Text(f"    {folder.troubled[path]}", style=ALERT)]
    run = folder.runs[path]
    trouble = [Text(f"    {run.trouble}", style="yellow")] if run.trouble else []
    return [*(finding_line(alert, "    ") for alert in run.alerts), *trouble]


def _placed(
    blocks: list[tuple[Path, Text, list[Text]]], room: int | None
) -> tuple[list[Text], list[Path]]:
    """Return the lines that fit, and the runs that do not; rows come before what is below them.

    Where all rows fit, alerts take what is left; else a third of the room.
    """
    if room is None:
        return [line for _, row, below in blocks for line in (row, *below)], []
    for_below = max(room // 3, room - len(blocks))
    count = min(for_below, sum(len(below) for _, _, below in blocks))
    rows = room - count
    if rows < len(blocks):
        rows -= 1  # for the line that counts the rest
    lines = []
    for _, row, below in blocks[: max(0, rows)]:
        lines += [row, *below[:count]]
        count -= len(below[:count])
    return lines, [path for path, _, _ in blocks[max(0, rows) :]]


class Columns:
    """Widths of the columns of a folder's table."""

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
        course = max((longest_course(run.lanes) for run in runs), default=0)
        self._spark = max(4, min(LONGEST, course, (left - min(longest, 30)) // 2))
        self._name = max(8, min(longest, left - 2 * self._spark))

    def head(self) -> Text:
        """Return the headings."""
        course = NUMBER + 1 + self._spark
        median = "median member" if course > len("median member") else "median"
        said = (
            f"{'run':<{self._name}} {'state':<{self._state}} alerts {'lanes':>{self._lanes}} "
            f"{'done':>5}  {'at λ':>6} {'ensemble':<{course}} {median}"
        )
        return Text(said, style="dim")

    def row(self, path: Path) -> Text:
        """Return a run's row; its errors are those of the lane that was sealed last."""
        called = self._folder.name(path)
        if len(called) > self._name:
            called = f"…{called[1 - self._name :]}"
        name = Text(f"{called:<{self._name}}")
        if path in self._folder.troubled:
            return name.append(" ").append("unreadable", style=style_of("unreadable"))
        run = self._folder.runs[path]
        state, (done, whole) = state_of(run), run.epochs
        lanes = f"{sum(lane.seal.done for lane in run.lanes)}/{len(run.lanes)}"
        said = Text.assemble(
            name,
            " ",
            (f"{state:<{self._state}} ", style_of(state)),
            (f"{len(run.alerts) or '':>6}", ALERT),
            f" {lanes:>{self._lanes}} {f'{100 * done // max(1, whole)} %':>5}  ",
        )
        return said.append_text(self._lane(run.newest))

    def _lane(self, lane: LaneWatch | None) -> Text:
        ensemble, median, _, _ = errors_of(lane)
        ensembles, medians = self._page.courses(lane, self._spark, highest([lane] if lane else []))
        return Text.assemble(
            f"{f'{lane.lam:g}' if lane else '':>6} ",
            f"{ensemble:>{NUMBER}} ",
            (ensembles, "cyan"),
            f" {median:>{NUMBER}} ",
            (medians, "blue"),
        )
