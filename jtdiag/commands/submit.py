"""jtdiag submit."""

from pathlib import Path

import click

from jtdiag.terminal import completion
from jtdiag.terminal.echo import echo
from jtdiag.terminal.output_style import OutputStyle, output_style
from jtdiag.terminal.set_option import set_option


@click.command()
@click.argument("recipe", shell_complete=completion.recipes)
@set_option("Override a recipe field, such as train.epochs=3")
@click.option("--out", type=click.Path(path_type=Path), help="Run folder [default: runs/<name>].")
@click.option(
    "--parts",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of tasks, each of which trains a part of the lanes [default: one for each lane].",
)
@click.option(
    "--hours",
    type=click.FloatRange(min=0, min_open=True),
    default=4.0,
    show_default=True,
    help="Time limit of a task; one that reaches it is put into the queue again.",
)
@click.option(
    "--slurm",
    "options",
    metavar="KEY=VALUE",
    multiple=True,
    help="An option of sbatch, such as partition=gpu or cpus_per_task=4; repeatable.",
)
@output_style(json="Print the folder and the numbers of the jobs as JSON.")
def submit(
    recipe: str,
    overrides: tuple[str, ...],
    out: Path | None,
    parts: int | None,
    hours: float,
    options: tuple[str, ...],
    style: OutputStyle,
) -> None:
    """Submit the training of RECIPE to SLURM.

    An array job is submitted, of which every task trains a part of the lanes, into one run folder
    that all nodes share. The options, the folder and the recipe are checked first. Needs
    jtdiag[slurm].
    """
    from jtdiag.recipe.presets import find
    from jtdiag.terminal import wording
    from jtdiag.terminal.plain_values import json_line
    from jtdiag.workflows.submitting import JOBS, submit as submit_parts

    resolved = find(recipe, overrides)
    path = out or Path("runs") / resolved.name
    jobs = submit_parts(resolved, path, parts, options=_parameters(hours, options))
    numbers = [job.job_id for job in jobs]
    if style == "json":
        echo(json_line({"run": str(path), "jobs": numbers}))
    elif style != "quiet":
        echo(wording.submitted(path, path.with_name(path.name + JOBS), numbers))


def _parameters(hours: float, options: tuple[str, ...]) -> dict[str, str | int]:
    """Return the parameters of submitit's executor."""
    parameters: dict[str, str | int] = {"timeout_min": max(1, round(60 * hours))}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals or not key.strip():
            raise click.UsageError(
                f"--slurm {option}: it must be KEY=VALUE, such as partition=gpu."
            )
        parameters[f"slurm_{key.strip()}"] = (
            int(value) if value.strip().isdigit() else value.strip()
        )
    return parameters
