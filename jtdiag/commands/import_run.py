"""jtdiag import."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jtdiag.terminal import completion
from jtdiag.terminal.echo import echo
from jtdiag.terminal.output_style import OutputStyle, output_style

if TYPE_CHECKING:
    from jtdiag.store.run import Run


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the run.")
@click.option(
    "--lam",
    required=True,
    type=click.FloatRange(0, 1),
    metavar="λ",
    help="λ of training: 0 for independent members, 1 if only the ensemble's loss was minimized.",
)
@click.option("--targets", multiple=True, metavar="FILE", help="Targets of logits in .npy files.")
@click.option(
    "--metrics",
    multiple=True,
    metavar="FILE",
    help="Losses and errors of every epoch, as the program of Webb et al. saves them.",
)
@click.option(
    "--epochs",
    metavar="N[,N...]",
    help="Epochs of training, or the epochs after which the logits were saved.",
)
@click.option("--factory", metavar="FILE.py:NAME", help="Function that creates a member.")
@click.option("--data", metavar="DATA", help="Data on which members are evaluated.")
@click.option(
    "--family",
    default="categorical",
    show_default=True,
    shell_complete=completion.families,
    help="The likelihood.",
)
@click.option(
    "--combiner",
    type=click.Choice(["logits", "probabilities"]),
    default="logits",
    show_default=True,
    help="What the ensemble averages.",
)
@output_style(json="Print the answer and all findings as JSON.")
def import_run(
    files: tuple[str, ...],
    out: Path,
    lam: float,
    targets: tuple[str, ...],
    metrics: tuple[str, ...],
    epochs: str | None,
    factory: str | None,
    data: str | None,
    family: str,
    combiner: str,
    style: OutputStyle,
) -> None:
    """Make a run of members that were trained elsewhere.

    FILE is an .npz file with arrays test and test_targets (also val, train), or .npy files with
    logits or probabilities (members, examples, classes), with --targets. Both, and --metrics, may
    be SPLIT=FILE, such as val=logits.npy.

    With --factory and --data, FILEs are weights of members: .pt, .safetensors or checkpoints of
    Lightning. DATA is an .npz file with x_train, y_train, x_test and y_test, or a data set by name.

    The cheap probes are then run, and the answer is printed.
    """
    given = Given(files=files, targets=targets, metrics=metrics, factory=factory, data=data)
    trained = Trained(lam=lam, epochs=_epochs(epochs), family=family, combiner=combiner)
    run = _imported(given, trained, out)
    if style == "quiet":
        return
    _print(run, style)


@dataclass(frozen=True, kw_only=True)
class Given:
    """The files of an ensemble, and how its members are made."""

    files: tuple[str, ...]
    targets: tuple[str, ...]
    metrics: tuple[str, ...]
    factory: str | None
    data: str | None


@dataclass(frozen=True, kw_only=True)
class Trained:
    """How the members were trained."""

    lam: float
    epochs: int | tuple[int, ...] | None
    family: str
    combiner: str


def _epochs(text: str | None) -> int | tuple[int, ...] | None:
    """Return a number of epochs, or several epochs."""
    if text is None:
        return None
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is not a number of epochs, such as 200, or several, such as 37,200.",
            param_hint="--epochs",
        ) from error
    return numbers[0] if len(numbers) == 1 else numbers


def _imported(given: Given, trained: Trained, out: Path) -> "Run":
    """Write the run.

    Raises:
        UsageError: if options for logits and for weights are mixed.
    """
    if (given.factory is None) != (given.data is None):
        raise click.UsageError("--factory and --data belong together; give both or none.")
    if given.factory is None or given.data is None:
        return _from_logits(given, trained, out)
    if given.targets or given.metrics:
        raise click.UsageError("--targets and --metrics are for logits; leave out --factory.")
    from jtdiag.monitor.imported_members import from_state_dicts

    return from_state_dicts(
        [*given.files],
        given.factory,
        given.data,
        lam=trained.lam,
        out=out,
        epochs=trained.epochs,
        family=trained.family,
        combiner=trained.combiner,
    )


def _from_logits(given: Given, trained: Trained, out: Path) -> "Run":
    from jtdiag.monitor import logit_files
    from jtdiag.monitor.imported import from_logits

    saved = logit_files.read(given.files, given.targets, given.metrics)
    return from_logits(
        saved.stacked(),
        saved.targets,
        lam=trained.lam,
        out=out,
        epochs=trained.epochs,
        metrics=saved.metrics,
        family=trained.family,
        combiner=trained.combiner,
    )


def _print(run: "Run", style: OutputStyle) -> None:
    """Run the cheap probes, and print what was imported, what is unknown, and the answer."""
    from jtdiag.probing.running import measure
    from jtdiag.report.evidence import ask_cheap, gather
    from jtdiag.terminal import wording
    from jtdiag.terminal.closing import Closing, next_commands, print_closing
    from jtdiag.terminal.console import Console

    if style == "brief":
        recipe = run.recipe
        examples = {s: len(run.target(s, run.lanes[0])) for s in recipe.keep.splits}
        echo(wording.imported(run.path, recipe.members.count, recipe.train.epochs, examples))
    ask_cheap(run, measure)
    commands = next_commands(run.path, "probe", "report", "plot")
    print_closing(Console(), Closing(evidence=gather(run), commands=commands, style=style))
