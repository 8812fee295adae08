"""jtdiag study."""

import os
from functools import partial
from pathlib import Path

import click

from jtdiag.printable import shell_word
from jtdiag.terminal import completion
from jtdiag.terminal.cluster_options import ClusterOptions, cluster_options
from jtdiag.terminal.output_style import OutputStyle, output_style
from jtdiag.terminal.set_option import set_option
from jtdiag.terminal.signals import grace_option


@click.command()
@click.argument("study", shell_complete=completion.studies)
@set_option(
    "Override a recipe field of all runs, such as train.epochs=3, or of one run, such as "
    "runs.joint.lam=0.9"
)
@click.option("--out", type=click.Path(path_type=Path), help="Study folder [default: runs/<name>].")
@click.option(
    "--only",
    metavar="NAME",
    multiple=True,
    help="Train only this run; repeatable. Patterns such as 'mlp-*' are allowed.",
)
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    metavar="HOURS",
    help="Reduce epochs, then trials, of all runs until training takes no longer than this.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print the estimated cost of each run; write nothing.",
)
@grace_option
@cluster_options
@output_style(
    verbose="Print every epoch of every run.", json="Print the answer and the errors as JSON."
)
def study(
    study: str,
    overrides: tuple[str, ...],
    out: Path | None,
    only: tuple[str, ...],
    budget: float | None,
    dry_run: bool,
    grace: float,
    cluster: ClusterOptions,
    style: OutputStyle,
) -> None:
    """Train, probe and compare the runs of a study.

    STUDY is a TOML file, the name of a built-in study (credit-convnet, credit-digits,
    credit-fashion, fashion-fig2, map-digits, paper), or a study folder. Prints the lowest error of
    each run, a table of the errors and the alerts, and plots the errors. Runs that are already
    trained are skipped; an interrupted study is resumed.
    """
    from jtdiag.terminal.signals import stoppable

    folder = Path(study) if out is None and os.path.isfile(Path(study) / "study.toml") else out

    with stoppable(
        grace, lambda: _interrupted(folder, only, cluster)
    ) as stop:  # before imports that take seconds
        from jtdiag.recipe import studies
        from jtdiag.terminal.study import StudyClosing, print_costs, print_study
        from jtdiag.terminal.training import display
        from jtdiag.workflows import study_cost
        from jtdiag.workflows.study import plot, run_study

        definition = studies.find(study, overrides)
        folder = folder or Path("runs") / definition.name
        names = studies.selected(definition, only)
        if budget is not None:
            definition = study_cost.reduced(definition, folder, budget)
        if dry_run:
            print_costs(study_cost.costs(definition, names), style)
            return
        with cluster.client() as client:
            run_study(definition, folder, partial(display, style), stop, client, names)
        figures = plot(folder)
    print_study(StudyClosing(folder=folder, figures=figures, style=style))


def _interrupted(folder: Path | None, only: tuple[str, ...], cluster: ClusterOptions) -> str:
    """Return how to resume a study that was interrupted."""
    from jtdiag.engine import wording

    started = folder is not None and os.path.exists(folder)
    chosen = "".join(f" --only {shell_word(name)}" for name in only)
    command = f"jtdiag study {shell_word(folder)}{chosen}{cluster.arguments}"
    return wording.interrupted(command, started=started)
