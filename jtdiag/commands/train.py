"""jtdiag train."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jtdiag.cluster import torchrun
from jtdiag.objects.object_folder import is_address
from jtdiag.printable import shell_word
from jtdiag.terminal import completion
from jtdiag.terminal.alert_options import AlertOptions, alert_options
from jtdiag.terminal.cluster_options import ClusterOptions, cluster_options
from jtdiag.terminal.echo import echo
from jtdiag.terminal.output_style import OutputStyle, output_style
from jtdiag.terminal.run_path import Place
from jtdiag.terminal.set_option import set_option
from jtdiag.terminal.signals import grace_option

if TYPE_CHECKING:
    from jtdiag.engine.stopping import StopRequest
    from jtdiag.probing.contract import Probe
    from jtdiag.recipe.recipe import Recipe
    from jtdiag.store.run import Run


@click.command()
@click.argument("recipe", shell_complete=completion.recipes)
@set_option("Override a recipe field, such as train.epochs=3 or 'lam=[0, 0.9]'")
@click.option(
    "--out",
    type=Place(),
    help="Run folder, or address such as s3://bucket/run [default: runs/<name>].",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print what would run and its estimated cost; write nothing.",
)
@click.option(
    "--stop-on",
    metavar="RULE",
    multiple=True,
    shell_complete=completion.rules,
    help="Stop a lane (one λ, one trial) when this rule fires; repeatable. Sets alerts.stop_on.",
)
@click.option(
    "--lower-lambda",
    metavar="λ",
    help="Continue a lane with this λ after an alert of dominance or codependence. "
    "Sets alerts.lower_lam.",
)
@alert_options
@grace_option
@click.option(
    "--part",
    metavar="K/N",
    help="Train part K of N of the lanes, such as 3/16; other processes train the others.",
)
@cluster_options
@click.option(
    "--resume",
    is_flag=True,
    help="Resume an interrupted run from its last saved epoch, or add trials or λs to a run.",
)
@output_style(
    verbose="Print every epoch and every finding.",
    json="Print the answer and all findings as JSON.",
)
def train(
    recipe: str,
    overrides: tuple[str, ...],
    out: Path | str | None,
    dry_run: bool,
    stop_on: tuple[str, ...],
    lower_lambda: str | None,
    resume: bool,
    part: str | None,
    grace: float,
    alerts: AlertOptions,
    cluster: ClusterOptions,
    style: OutputStyle,
) -> None:
    """Train an ensemble from RECIPE.

    RECIPE is a TOML file, the name of a preset, or the folder of a run to resume. The run
    is saved after every epoch; existing runs are never overwritten. At the end the cheap probes are
    run, and the answer in a few sentences, the test errors and the alerts are printed.

    Ctrl-C, SIGTERM or SIGUSR1 ends training after the running epoch, if that takes no longer than
    --grace; a second signal ends it at once. Saved epochs are kept, and --resume resumes the run.
    The exit status is then 130, 143 or 138.
    """
    from jtdiag.terminal.signals import stoppable

    path = _place(recipe) if out is None and resume else out

    def message() -> str:
        from jtdiag.engine import wording

        started = path is not None and (is_address(path) or os.path.exists(path))
        option = f" --part {part}" if part else cluster.arguments
        command = f"jtdiag train {shell_word(path)} --resume{option}"
        return wording.interrupted(command, started=started)

    with stoppable(grace, message) as stop:  # before imports that take seconds
        changes = (*overrides, *_alert_overrides(stop_on, lower_lambda))
        resolved = _recipe(recipe, changes, resume=resume)
        path = path or Path("runs") / resolved.name
        if dry_run:
            _estimate(resolved, part)
        else:
            _train(resolved, path, resume, part, alerts, cluster, stop, style)


def _place(recipe: str) -> Path | str | None:
    """Return the place of a run that is given in place of a recipe; None if it is a recipe."""
    if is_address(recipe):
        return recipe
    return Path(recipe) if os.path.isdir(recipe) else None


def _recipe(recipe: str, overrides: tuple[str, ...], *, resume: bool) -> "Recipe":
    from jtdiag.objects import mirror
    from jtdiag.recipe.presets import find
    from jtdiag.store import growth
    from jtdiag.store.run import RECIPE, Run

    recipe = str(mirror.local(recipe)) if is_address(recipe) else recipe
    if os.path.isfile(Path(recipe) / RECIPE):
        if resume and not torchrun.rank():
            growth.finish(Path(recipe))
        Run(recipe).require_trusted_code()
    return find(recipe, overrides)


def _estimate(recipe: "Recipe", part: str | None) -> None:
    from jtdiag.engine.dry_run import estimate
    from jtdiag.terminal.training import describe_estimate

    echo(describe_estimate(recipe, estimate(recipe, part)))


def _train(
    recipe: "Recipe",
    out: Path | str,
    resume: bool,
    part: str | None,
    alerts: AlertOptions,
    cluster: ClusterOptions,
    stop: "StopRequest",
    style: OutputStyle,
) -> None:
    from jtdiag.alerts.listener import alerting
    from jtdiag.engine.dry_run import peak_memory
    from jtdiag.engine.train import train as run_training
    from jtdiag.terminal import wording
    from jtdiag.terminal.training import display

    if torchrun.rank():  # rank 0 alerts and prints
        with cluster.client():
            run_training(recipe, out, resume=resume, stop=stop, part=part)
        return
    with (
        cluster.client() as client,
        alerts.dispatcher() as dispatcher,
        display(style) as progress,
        alerting(progress, dispatcher) as listener,
    ):
        run = run_training(
            recipe, out, resume=resume, listener=listener, stop=stop, part=part, client=client
        )
    peak = None if client else peak_memory(run.settings["device"].split()[0])
    done = sum(run.seal(lane).done for lane in run.lanes)
    if part and peak is not None and done < len(run.lanes):
        line = wording.part_trained(out, part, done, len(run.lanes), peak)
    else:
        line = wording.trained(out, peak)
    if style not in ("quiet", "json"):
        echo(line)
    if style != "quiet" and done == len(run.lanes):
        _print_answer(run, style)


def _print_answer(run: "Run", style: OutputStyle) -> None:
    """Run the cheap probes and print what they come to."""
    from jtdiag.errors import JtdiagError
    from jtdiag.report.evidence import ask_cheap, gather
    from jtdiag.terminal import wording
    from jtdiag.terminal.closing import Closing, next_commands, print_closing
    from jtdiag.terminal.console import Console

    try:
        ask_cheap(run, _measure)
    except JtdiagError as error:  # the run is trained, whatever prevents its results
        echo(wording.answer_incomplete(str(error)), err=True)
    commands = next_commands(run.path, "probe", "report", "plot")
    print_closing(Console(), Closing(evidence=gather(run), commands=commands, style=style))


def _measure(run: "Run", probe: "Probe") -> None:
    """Run a probe and show its progress."""
    from jtdiag.probing.running import measure
    from jtdiag.terminal.probing import measuring

    with measuring(run, probe.name):
        measure(run, probe)


def _alert_overrides(stop_on: tuple[str, ...], lower_lambda: str | None) -> list[str]:
    """Return the recipe overrides that the options --stop-on and --lower-lambda stand for."""
    changes = [f"alerts.stop_on={json.dumps(stop_on)}"] if stop_on else []
    return [*changes, f"alerts.lower_lam={lower_lambda}"] if lower_lambda else changes
