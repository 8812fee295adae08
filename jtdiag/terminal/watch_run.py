"""The watch screen of a single run: a row for each lane, and the findings below."""

from rich.text import Text

from jtdiag.names import lam_text
from jtdiag.stats import counted
from jtdiag.terminal import wording
from jtdiag.terminal.watch_page import (
    ALERT,
    NUMBER,
    Page,
    errors_of,
    highest,
    state_of,
    style_of,
    wrapped,
)
from jtdiag.watch.one_lane import LaneWatch
from jtdiag.watch.one_run import RunWatch

PRIORITY = ("alert", "training", "stalled", "exited", "stopped", "waiting", "done")
"""Order in which lanes are selected if not all of them fit the screen."""
STATE = 8
"""Width of a lane's state in characters."""
LONGEST = 40
"""Maximum width of a sparkline in characters."""


def of_run(run: RunWatch, page: Page) -> list[Text]:
    """Return the screen of a run as lines that fit the page."""
    head = [header(run, page), Text(run.trouble, style="yellow")]
    room = None if page.height is None else max(2, page.height - len(head))
    rows = table(run, page)
    below = wrapped(run.findings, page, None)
    if room is not None and len(rows) + bool(below) + len(below) > room:
        findings_room = min(len(below), max(room // 3, room - len(rows) - 1)) if below else 0
        below = wrapped(run.findings, page, findings_room)
        rows = table(run, page, room - len(below) - bool(below))
    return page.fitted([*head, *rows, *([Text()] if below else []), *below])


def header(run: RunWatch, page: Page) -> Text:
    """Return the state and the progress of the whole run."""
    state, (done, total) = state_of(run), run.epochs
    lanes_done = sum(lane.seal.done for lane in run.lanes)
    line = Text.assemble(
        (page.path(run.path, reserved=60), "bold"),
        "  ",
        (state, style_of(state)),
        f"  {wording.run_header((lanes_done, len(run.lanes)), (done, total))}  ",
    )
    alerts = counted(len(run.alerts), "alert") if run.alerts else ""
    left = page.width - len(line) - len(alerts) - 2
    line.append_text(page.bar(done, total, max(0, min(40, left))))
    return line.append(f"  {alerts}" if alerts else "", style=ALERT)


def lane_state(run: RunWatch, lane: LaneWatch) -> str:
    """Return the state of a lane as it is displayed."""
    if lane.seal.done:
        return "stopped" if lane.seal.stopped else "done"
    if run.over:
        return wording.state("dead")
    if lane.seal.epoch < 0:
        return "waiting"
    return wording.state(run.state or "waiting")


def table(run: RunWatch, page: Page, room: int | None = None) -> list[Text]:
    """Return the headings and a row for each lane, in at most `room` lines."""
    columns = Columns(run, page)
    selected = _select(run, None if room is None else max(0, room - 2))
    rows = [columns.row(run, lane) for lane in run.lanes if lane in selected]
    left = [lane_state(run, lane) for lane in run.lanes if lane not in selected]
    if left:
        rows.append(Text(wording.more_lanes(left), style="dim"))
    return [columns.head(), *rows]


def _select(run: RunWatch, room: int | None) -> list[LaneWatch]:
    """Return the lanes to show in `room` rows and one more line."""
    if room is None or len(run.lanes) <= room + 1:
        return run.lanes
    ordered = sorted(
        run.lanes,
        key=lambda lane: PRIORITY.index("alert" if lane.alerts else lane_state(run, lane)),
    )
    return ordered[:room]


class Columns:
    """Columns of the table of lanes; sparklines and progress bar share the remaining width."""

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
        width = NUMBER + 1 + self._spark
        median = "median member" if width >= len("median member") else "median"
        line = (
            f"{'λ':>{self._lam}} trial  {'epoch':<{self._epoch + 1 + self._bar}}  "
            f"{'ensemble':<{width}}  {median:<{width}}  "
            f"{'best':>{NUMBER}} {'#':<{self._leader}}  state"
        )
        return Text(line, style="dim")

    def row(self, run: RunWatch, lane: LaneWatch) -> Text:
        """Return the row of a lane; λ and the median error are red if there is an alert."""
        state, sealed = lane_state(run, lane), max(0, lane.seal.epoch)
        ensemble, median, best, leader = errors_of(lane)
        ensembles, medians = self._page.curves(lane, self._spark, self._top)
        alert = ALERT if lane.alerts else ""
        line = Text.assemble(
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
            line.stylize("dim")
        return line


def _lam(lane: LaneWatch) -> str:
    """Return a lane's λ, or "1→0.5" if λ has changed during training."""
    changed = lane.lam_now != lane.lam and lane.errors is not None
    return f"{lam_text(lane.lam)}→{lam_text(lane.lam_now)}" if changed else lam_text(lane.lam)
