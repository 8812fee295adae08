"""The picture of one run that is watched: a row for each lane, and what was found."""

from rich.text import Text

from jtdiag.terminal.watch_page import (
    ALERT,
    NUMBER,
    Page,
    counted,
    errors_of,
    highest,
    state_of,
    style_of,
    wrapped,
)
from jtdiag.watch.one_lane import LaneWatch
from jtdiag.watch.one_run import RunWatch

FIRST = ("alert", "training", "silent", "dead", "stopped", "waiting", "done")
"""Which lanes are shown where not all fit."""
STATE = 8
LONGEST = 40
"""Characters of a sparkline at most."""


def of_run(run: RunWatch, page: Page) -> list[Text]:
    """Return a run as lines that fit the page."""
    head = [header(run, page), Text(run.trouble, style="yellow")]
    room = None if page.height is None else max(2, page.height - len(head))
    rows = table(run, page)
    below = wrapped(run.findings, page, None)
    if room is not None and len(rows) + bool(below) + len(below) > room:
        for_findings = min(len(below), max(room // 3, room - len(rows) - 1)) if below else 0
        below = wrapped(run.findings, page, for_findings)
        rows = table(run, page, room - len(below) - bool(below))
    return page.fitted([*head, *rows, *([Text()] if below else []), *below])


def header(run: RunWatch, page: Page) -> Text:
    """Return what is to be said of the whole run, in a line."""
    state, (done, whole) = state_of(run), run.epochs
    lanes_done = sum(lane.seal.done for lane in run.lanes)
    said = Text.assemble(
        (page.path(run.path, beside=60), "bold"),
        "  ",
        (state, style_of(state)),
        f"  {lanes_done}/{counted(len(run.lanes), 'lane')}  {done}/{counted(whole, 'epoch')}  ",
    )
    alerts = counted(len(run.alerts), "alert") if run.alerts else ""
    left = page.width - len(said) - len(alerts) - 2
    said.append_text(page.bar(done, whole, max(0, min(40, left))))
    return said.append(f"  {alerts}" if alerts else "", style=ALERT)


def lane_state(run: RunWatch, lane: LaneWatch) -> str:
    """Return the state of a lane, a word."""
    if lane.seal.done:
        return "stopped" if lane.seal.stopped else "done"
    if run.over:
        return "dead"
    if lane.seal.epoch < 0:
        return "waiting"
    return run.state or "waiting"


def table(run: RunWatch, page: Page, room: int | None = None) -> list[Text]:
    """Return a line of headings and one for each lane, in so many lines at most."""
    columns = Columns(run, page)
    shown = _shown(run, None if room is None else max(0, room - 2))
    rows = [columns.row(run, lane) for lane in run.lanes if lane in shown]
    left = [lane_state(run, lane) for lane in run.lanes if lane not in shown]
    if left:
        states = ", ".join(f"{left.count(state)} {state}" for state in dict.fromkeys(left))
        rows.append(Text(f"… {counted(len(left), 'more lane')}: {states}", style="dim"))
    return [columns.head(), *rows]


def _shown(run: RunWatch, room: int | None) -> list[LaneWatch]:
    """Return the lanes that are shown where there is room for so many and a line more."""
    if room is None or len(run.lanes) <= room + 1:
        return run.lanes
    ordered = sorted(
        run.lanes,
        key=lambda lane: FIRST.index("alert" if lane.alerts else lane_state(run, lane)),
    )
    return ordered[:room]


class Columns:
    """Widths of the columns of a run's table; sparklines and bar share what the rest leaves."""

    def __init__(self, run: RunWatch, page: Page) -> None:
        epochs = run.run.recipe.train.epochs
        self._page, self._epochs = page, epochs
        self._top = highest(run.lanes)
        self._lam = max(len(_lam(lane)) for lane in run.lanes)
        self._epoch = max(5, 2 * len(str(epochs)) + 1)
        self._leader = max(1, len(str(run.run.recipe.members.count - 1))) + 1
        fixed = self._lam + self._epoch + 3 * NUMBER + self._leader + STATE
        gaps = 1 + len("trial") + 2 + 1 + 2 + 1 + 2 + 1 + 2 + 1 + 2
        left = page.width - fixed - gaps
        self._spark = max(3, min(LONGEST, epochs + 1, (left - 6) // 2))
        self._bar = max(0, min(20, left - 2 * self._spark))

    def head(self) -> Text:
        """Return the headings."""
        course = NUMBER + 1 + self._spark
        median = "median member" if course >= len("median member") else "median"
        said = (
            f"{'λ':>{self._lam}} trial  {'epoch':<{self._epoch + 1 + self._bar}}  "
            f"{'ensemble':<{course}}  {median:<{course}}  "
            f"{'best':>{NUMBER}} {'#':<{self._leader}}  state"
        )
        return Text(said, style="dim")

    def row(self, run: RunWatch, lane: LaneWatch) -> Text:
        """Return a lane's row; red where a rule alerts."""
        state, sealed = lane_state(run, lane), max(0, lane.seal.epoch)
        ensemble, median, best, leader = errors_of(lane)
        ensembles, medians = self._page.courses(lane, self._spark, self._top)
        alert = ALERT if lane.alerts else ""
        said = Text.assemble(
            (f"{_lam(lane):>{self._lam}}", alert),
            f" {lane.lane.trial:>5}  {f'{sealed}/{self._epochs}':<{self._epoch}} ",
            self._page.bar(sealed, self._epochs, self._bar),
            f"  {ensemble:>{NUMBER}} ",
            (ensembles, "cyan"),
            "  ",
            (f"{median:>{NUMBER}} ", alert),
            (medians, "blue"),
            f"  {best:>{NUMBER}} ",
            f"{leader:<{self._leader}}  ",
            (state, style_of(state)),
        )
        if lane.seal.epoch < 0:
            said.stylize("dim")
        return said


def _lam(lane: LaneWatch) -> str:
    """Return a lane's λ, and where it has been moved."""
    moved = lane.lam_now != lane.lam and lane.errors is not None
    return f"{lane.lam:g}→{lane.lam_now:g}" if moved else f"{lane.lam:g}"
