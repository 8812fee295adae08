"""What a terminal, or a log, shows while the engine trains."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from jtdiag.alerts import lane_verdicts
from jtdiag.alerts.lane_verdicts import LaneVerdict
from jtdiag.engine.dry_run import Estimate
from jtdiag.engine.progress import EpochReport, Listener, Plan
from jtdiag.recipe import wording as recipe_wording
from jtdiag.recipe.recipe import Recipe
from jtdiag.rules.contract import Verdict
from jtdiag.store.lanes import Lane, lanes_of
from jtdiag.store.layout import readable
from jtdiag.terminal.findings import print_finding

SIZE_EVERY = 2.0
"""Seconds between two looks at the size of the store on disk."""


@contextmanager
def display() -> Iterator[Listener]:
    """Yield a listener: a live display on a terminal, one plain line per epoch elsewhere."""
    console = Console()
    if not console.is_terminal:
        yield PlainLines(console)
        return
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("epochs ·"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=console,
    )
    newest = Text()
    with Live(Group(progress, newest), console=console):
        yield LiveDisplay(progress, newest)


def describe(plan: Plan) -> str:
    """Return what is about to run, in one paragraph."""
    recipe, where, size = plan.recipe, plan.settings, plan.size
    stated = [f"{line}.\n" for line in (schemes(recipe), rates(recipe)) if line]
    return (
        f"{recipe.name}: {len(recipe.lam)} lambdas × {recipe.trials} trials, "
        f"{recipe.train.epochs} epochs; {recipe.members.count} members, "
        f"{plan.parameters:,} parameters in all.\n"
        f"{''.join(stated)}"
        f"On {where['device']}; threads: {where['threads']}; lanes at a time: {where['lanes']}.\n"
        f"Members by {by(where)}.\n"
        f"The store in {plan.path} will take {readable(size.total)}: "
        f"outputs {readable(size.outputs)}, checkpoints {readable(size.checkpoints)}, "
        f"the rest {readable(size.metrics + size.resuming)}."
    )


def schemes(recipe: Recipe) -> str:
    """Return how members come about where that is not by the joint loss; else nothing."""
    if recipe.scheme == "joint":
        return ""
    drawn = f", bootstraps as {recipe.bootstrap}" if recipe.scheme == "bagging" else ""
    return f"Scheme: {recipe.scheme}{drawn}"


def rates(recipe: Recipe) -> str:
    """Return the learning rates of a rule, or of λs that differ in them; else nothing."""
    by_lam = [recipe.first_lr(i) for i in range(len(recipe.lam))]
    text = recipe_wording.learning_rates(recipe.lam, by_lam, recipe.train.lr_rule)
    return f"Learning rate of all members together: {text}" if text else ""


def by(settings: Mapping[str, str]) -> str:
    """Return how members are computed, and why so."""
    last = ", channels last" if settings["layout"] == "channels_last" else ""
    held = f"{settings['micro_members']} at once"
    reason = f": {settings['chosen']}" if settings["chosen"] else ""
    return f"{settings['execution']}, {settings['products']}{last}, {held}{reason}"


def describe_estimate(recipe: Recipe, estimate: Estimate) -> str:
    """Return what a dry run has found, a fact a line."""
    where, size = estimate.settings, estimate.size
    each, members = f"{estimate.parameters_per_member:,}", recipe.members
    lines = {
        "members": f"{members.count} branches of one network of {each} parameters"
        if members.branched
        else f"{members.count} × {each} parameters, "
        f"{estimate.copies * estimate.parameters_per_member:,} in all",
        "lanes": f"{len(recipe.lam)} lambdas × {recipe.trials} trials = {estimate.lanes}, "
        f"{where['lanes']} at a time",
        "steps": f"{estimate.steps:,} a lane, {recipe.train.epochs} epochs",
        "device": f"{where['device']}, {where['threads']} threads",
        "members by": by(where),
        "store": f"{readable(size.total)}: outputs {readable(size.outputs)}, "
        f"checkpoints {readable(size.checkpoints)}",
        "memory": f"about {readable(estimate.memory)} with the data",
        "time": f"about {_plain(estimate.total_seconds / 60)} minutes "
        f"({_plain(1000 * estimate.step_seconds)} ms a step)",
    }
    stated = {"scheme": schemes(recipe), "rates": rates(recipe)}
    lines |= {name: text.partition(": ")[2] for name, text in stated.items() if text}
    return "\n".join(f"{name:11} {text}" for name, text in lines.items())


def _plain(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def one_line(plan: Plan, report: EpochReport) -> str:
    """Return an epoch of a lane in a line."""
    lam = plan.recipe.lam[report.lane.lam_index]
    split = "val" if plan.recipe.data.val else "test"
    return (
        f"λ = {lam:g}, trial {report.lane.trial}, epoch {report.epoch}: "
        f"loss {report.train_loss:.4f}, {split} error {100 * report.ensemble_error:.2f} %"
        f"{_followed(plan.recipe, report)}"
    )


def skipped(recipe: Recipe, report: EpochReport) -> int:
    """Return the epochs that a lane which was stopped leaves out."""
    return recipe.train.epochs - report.epoch if report.stopped else 0


def _followed(recipe: Recipe, report: EpochReport) -> str:
    """Return what followed from an alert, or nothing."""
    if report.stopped:
        return f"; stopped here on {report.stopped}"
    lower = f"; goes on with λ = {recipe.alerts.lower_lam:g} on {report.lowered}"
    return lower if report.lowered else ""


def print_alert(console: Console, plan: Plan, lane: Lane, verdict: Verdict) -> None:
    """Print what a rule says of a lane, if it is an alert."""
    if verdict.level == "alert":
        lam = plan.recipe.lam[lane.lam_index]
        lane_verdict = LaneVerdict(verdict=verdict, lam=lam, trial=lane.trial)
        print_finding(console, lane_verdicts.of_lane(lane_verdict, plan.recipe.trials))


def store_size(path: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


class PlainLines:
    """One line per epoch, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._plan: Plan | None = None
        self._done, self._skipped, self._start = 0, 0, 0.0

    def begin(self, plan: Plan) -> None:
        """Print what is about to run."""
        self._plan, self._start = plan, time.monotonic()
        self._print(describe(plan))

    def epoch(self, report: EpochReport) -> None:
        """Print an epoch, how many are done, and the time left."""
        assert self._plan is not None
        self._done += report.epoch > 0
        self._skipped += skipped(self._plan.recipe, report)
        of = self._plan.epochs_to_train - self._skipped
        each = (time.monotonic() - self._start) / max(1, self._done)
        left = f"{each * (of - self._done):.0f} s left" if self._done else "starting"
        self._print(f"[{self._done}/{of}] {one_line(self._plan, report)}; {left}")

    def verdict(self, lane: Lane, verdict: Verdict) -> None:
        """Print an alert."""
        assert self._plan is not None
        print_alert(self._console, self._plan, lane, verdict)

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


class LiveDisplay:
    """A bar over all epochs of all lanes, the newest losses, the time left and the store's size."""

    def __init__(self, progress: Progress, newest: Text) -> None:
        self._progress, self._newest = progress, newest
        self._plan: Plan | None = None
        self._looked, self._size = 0.0, 0
        self._lanes_done, self._epochs = 0, 0

    def begin(self, plan: Plan) -> None:
        """Print what is about to run and show the bar."""
        self._plan = plan
        self._lanes_done, self._epochs = plan.lanes_done, plan.epochs_to_train
        self._progress.console.print(describe(plan), highlight=False, markup=False)
        self._task = self._progress.add_task(plan.recipe.name, total=plan.epochs_to_train)

    def epoch(self, report: EpochReport) -> None:
        """Advance the bar."""
        assert self._plan is not None
        now = time.monotonic()
        if now - self._looked > SIZE_EVERY:
            self._looked, self._size = now, store_size(self._plan.path)
        left_out = skipped(self._plan.recipe, report)
        self._lanes_done += report.epoch == self._plan.recipe.train.epochs or bool(left_out)
        self._epochs -= left_out
        of = len(lanes_of(self._plan.recipe))
        self._newest.plain = (
            f"{one_line(self._plan, report)}\n"
            f"{self._lanes_done} of {of} lanes done · store {readable(self._size)}"
        )
        step = int(report.epoch > 0)
        self._progress.update(self._task, advance=step, total=self._epochs)

    def verdict(self, lane: Lane, verdict: Verdict) -> None:
        """Print an alert above the bar."""
        assert self._plan is not None
        print_alert(self._progress.console, self._plan, lane, verdict)
