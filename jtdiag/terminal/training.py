"""Progress of training, on a terminal or in a log."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import rich.console
from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from jtdiag.alerts.lane_verdicts import LaneVerdict, of_lane
from jtdiag.engine.dry_run import Estimate
from jtdiag.engine.parts import by_trial
from jtdiag.engine.progress import EpochReport, Listener, NullListener, Plan
from jtdiag.recipe import wording as recipe_wording
from jtdiag.recipe.recipe import Recipe
from jtdiag.rules.contract import Verdict
from jtdiag.store.lanes import Lane
from jtdiag.terminal import wording
from jtdiag.terminal.console import Console
from jtdiag.terminal.findings import print_finding
from jtdiag.terminal.output_style import OutputStyle

Pace = Literal["epoch", "lane", "short"]
"""What has a line in a log: every epoch, the last one of every lane, or `SHORT` epochs in all."""
SHORT = 6
LONGEST_SILENCE = 60.0
"""Seconds after which a log has a line on the latest epoch, even if no lane is complete."""
SIZE_EVERY = 2.0
"""Seconds between two measurements of the size on disk."""


@contextmanager
def display(style: OutputStyle = "brief", *, short: bool = False) -> Iterator[Listener]:
    """Yield a listener: a live display on a terminal, otherwise plain lines.

    Args:
        style: "brief" for a line on each lane, "verbose" on each epoch; others show nothing.
        short: In the brief style, print `SHORT` lines in all, and no alerts: what follows training
            reports them.
    """
    console = Console()
    if style in ("quiet", "json"):
        yield NullListener()
        return
    if not console.is_terminal:
        pace: Pace = "epoch" if style == "verbose" else "short" if short else "lane"
        yield PlainLines(console, pace)
        return
    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("epochs ·"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=console,
    )
    latest = Text()
    with Live(Group(progress, latest), console=console):
        yield LiveDisplay(progress, latest, alerts=not (short and style == "brief"))


def describe(plan: Plan) -> str:
    """Return what is about to run, one line per fact."""
    recipe, settings = plan.recipe, plan.settings
    facts = {
        "Scheme": scheme(recipe),
        "Learning rate of the joint loss": learning_rates(recipe),
        "Device": f"{_device(settings)}; {wording.lanes_at_a_time(settings['lanes'])}",
        "Execution": execution(settings),
        "Data": settings.get("data", ""),
        "Members": settings.get("members", ""),
        "Modules": settings.get("modules", ""),
        "Part": part(plan),
    }
    return "\n".join(
        [
            wording.plan(
                recipe.name,
                lambdas=len(recipe.lam),
                trials=recipe.trials,
                epochs=recipe.train.epochs,
                members=recipe.members.count,
                parameters=plan.parameters,
            ),
            *(f"{name}: {text}." for name, text in facts.items() if text),
            wording.disk_space(plan.path, plan.size),
        ]
    )


def describe_estimate(recipe: Recipe, estimate: Estimate) -> str:
    """Return the estimates of a dry run, one line per fact."""
    settings = estimate.settings
    count, each = recipe.members.count, estimate.parameters_per_member
    lines = {
        "members": wording.branches(count, each)
        if recipe.members.branched
        else wording.members(count, each),
        "modules": settings.get("modules", ""),
        "data": settings.get("data", ""),
        "lanes": wording.lanes(len(recipe.lam), recipe.trials, settings["lanes"]),
        "part": estimate.part,
        "steps": wording.steps(estimate.steps, recipe.train.epochs),
        "device": _device(settings),
        "execution": execution(settings),
        "disk space": wording.store(estimate.size),
        "memory": wording.memory(estimate.memory),
        "time": wording.training_time(estimate.total_seconds, estimate.step_seconds),
        "scheme": scheme(recipe),
        "rates": learning_rates(recipe),
    }
    return "\n".join(f"{name:11} {text}" for name, text in lines.items() if text)


def scheme(recipe: Recipe) -> str:
    """Return the training scheme, or nothing for joint training."""
    return "" if recipe.scheme == "joint" else wording.scheme(recipe.scheme, recipe.bootstrap)


def learning_rates(recipe: Recipe) -> str:
    """Return the learning rates; nothing if there is a single one that the recipe gives."""
    by_lam = [recipe.first_lr(i) for i in range(len(recipe.lam))]
    return recipe_wording.learning_rates(recipe.lam, by_lam, recipe.train.lr_rule)


def execution(settings: Mapping[str, str]) -> str:
    """Return how the members are computed, and why."""
    return wording.execution(
        settings["execution"],
        settings["products"],
        settings["micro_members"],
        channels_last=settings["layout"] == "channels_last",
        reason=settings["chosen"],
    )


def part(plan: Plan) -> str:
    """Return the part of the run that is trained; nothing if it is all of it."""
    return f"{plan.part}, {by_trial(plan.lanes, plan.recipe)}" if plan.part else ""


def _device(settings: Mapping[str, str]) -> str:
    return wording.device(settings["device"], settings["threads"], settings.get("ranks", "1"))


def epoch_line(plan: Plan, report: EpochReport) -> str:
    """Return an epoch of a lane as one line, and what a rule did to the lane."""
    recipe = plan.recipe
    line = wording.epoch(
        recipe.lam[report.lane.lam_index],
        report.lane.trial,
        report.epoch,
        report.train_loss,
        "val" if recipe.data.val else "test",
        report.ensemble_error,
    )
    if report.module:
        line += wording.module(report.module)
    if report.stopped:
        return line + wording.stopped(report.stopped)
    if report.lowered:
        return line + wording.lowered(recipe.alerts.lower_lam, report.lowered)
    return line


def skipped_epochs(recipe: Recipe, report: EpochReport) -> int:
    """Return the number of epochs that a stopped lane will not train."""
    return recipe.train.epochs - report.epoch if report.stopped else 0


def print_alert(console: rich.console.Console, plan: Plan, lane: Lane, verdict: Verdict) -> None:
    """Print a verdict on a lane if it is an alert."""
    if verdict.level == "alert":
        lam = plan.recipe.lam[lane.lam_index]
        lane_verdict = LaneVerdict(verdict=verdict, lam=lam, trial=lane.trial)
        print_finding(console, of_lane(lane_verdict, plan.recipe.trials))


def store_size(path: Path) -> int:
    """Return the total size of the files below a folder in bytes."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


class PlainLines:
    """Prints lines on epochs, and alerts, for logs and pipes.

    Args:
        console: Where the lines are printed.
        pace: Which epochs have a line. If it is "short", neither alerts nor settings are printed.
    """

    def __init__(self, console: Console, pace: Pace = "epoch") -> None:
        self._console, self._pace = console, pace
        self._plan: Plan | None = None
        self._done, self._skipped, self._start, self._latest_line = 0, 0, 0.0, 0.0

    def begin(self, plan: Plan) -> None:
        """Print what is about to run."""
        self._plan = plan
        self._start = self._latest_line = time.monotonic()
        text = describe(plan)
        self._print(text.splitlines()[0] if self._pace == "short" else text)

    def epoch(self, report: EpochReport) -> None:
        """Print an epoch, the number of epochs trained and the time left."""
        assert self._plan is not None
        self._done += report.epoch > 0
        self._skipped += skipped_epochs(self._plan.recipe, report)
        total = self._plan.epochs_to_train - self._skipped
        if not self._has_line(report, total):
            return
        self._latest_line = time.monotonic()
        seconds = (self._latest_line - self._start) / max(1, self._done)
        left = seconds * (total - self._done) if self._done else None
        self._print(wording.progress(self._done, total, epoch_line(self._plan, report), left))

    def verdict(self, lane: Lane, verdict: Verdict) -> None:
        """Print an alert, unless the log is short."""
        assert self._plan is not None
        if self._pace != "short":
            print_alert(self._console, self._plan, lane, verdict)

    def _has_line(self, report: EpochReport, total: int) -> bool:
        """Return whether an epoch has a line, of so many epochs in all."""
        assert self._plan is not None
        if self._pace == "short":
            before = self._done - (report.epoch > 0)
            return before * SHORT // total != self._done * SHORT // total
        if self._pace == "epoch" or report.stopped:
            return True
        ends_lane = report.epoch == self._plan.recipe.train.epochs
        return ends_lane or time.monotonic() - self._latest_line >= LONGEST_SILENCE

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


class LiveDisplay:
    """Shows a progress bar over all lanes, the latest epoch, the time left and the disk space."""

    def __init__(self, progress: Progress, latest: Text, *, alerts: bool = True) -> None:
        self._progress, self._latest, self._alerts = progress, latest, alerts
        self._plan: Plan | None = None
        self._measured_at, self._size = 0.0, 0
        self._lanes_done, self._epochs = 0, 0

    def begin(self, plan: Plan) -> None:
        """Print what is about to run and show the progress bar."""
        self._plan = plan
        self._lanes_done, self._epochs = plan.lanes_done, plan.epochs_to_train
        self._progress.console.print(describe(plan), highlight=False, markup=False)
        self._task = self._progress.add_task(plan.recipe.name, total=plan.epochs_to_train)

    def epoch(self, report: EpochReport) -> None:
        """Advance the progress bar and show the epoch below it."""
        assert self._plan is not None
        recipe = self._plan.recipe
        now = time.monotonic()
        if now - self._measured_at > SIZE_EVERY:
            self._measured_at, self._size = now, store_size(self._plan.path)
        skipped = skipped_epochs(recipe, report)
        self._lanes_done += report.epoch == recipe.train.epochs or bool(skipped)
        self._epochs -= skipped
        lanes = wording.lanes_done(self._lanes_done, len(self._plan.lanes), self._size)
        self._latest.plain = f"{epoch_line(self._plan, report)}\n{lanes}"
        step = int(report.epoch > 0)
        self._progress.update(self._task, advance=step, total=self._epochs)

    def verdict(self, lane: Lane, verdict: Verdict) -> None:
        """Print an alert above the progress bar, if alerts are printed."""
        assert self._plan is not None
        if self._alerts:
            print_alert(self._progress.console, self._plan, lane, verdict)
