"""Array jobs of SLURM that train the parts of a run, through submitit."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jtdiag.engine import parts
from jtdiag.engine.parts import Part
from jtdiag.engine.session import Session
from jtdiag.engine.train import train
from jtdiag.errors import ClusterError
from jtdiag.recipe.recipe import Recipe

if TYPE_CHECKING:
    from submitit import Job
    from submitit.helpers import DelayedSubmission

JOBS = ".jobs"
"""Suffix of the folder beside the run with submitit's files, among them the output of each job."""


class PartTraining:
    """What one task of the array does. Put into the queue again, it goes on from the last epoch."""

    def __init__(self, recipe: Recipe, out: Path, part: str) -> None:
        self.recipe = recipe
        self.out = out
        self.part = part

    def __call__(self) -> str:
        """Train the part; return the run's folder."""
        return str(train(self.recipe, self.out, part=self.part, resume=True).path)

    def checkpoint(self) -> "DelayedSubmission":
        """Return the task that submitit puts into the queue when the time limit is near."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def submit(
    recipe: Recipe,
    out: Path,
    count: int | None = None,
    *,
    options: Mapping[str, str | int] | None = None,
    cluster: Literal["slurm", "local"] = "slurm",
) -> "list[Job[str]]":
    """Submit an array job whose tasks train the parts of a run; return the jobs.

    Args:
        recipe: The recipe.
        out: The run's folder, on a file system that all nodes share.
        count: Number of parts; by default as many as there can be.
        options: Parameters of submitit's executor, such as ``timeout_min`` or ``slurm_partition``.
        cluster: "local" starts processes on this machine in place of jobs.

    Raises:
        ClusterError: if submitit or SLURM is missing, or a parameter is not accepted.
        RecipeError: if there are fewer lanes than parts, or the recipe cannot be trained.
    """
    groups = Session.of(recipe).groups()
    count = len(parts.units(recipe, groups)) if count is None else count
    parts.lanes_of(Part(count, count), recipe, groups)  # raises if the last part has no lane
    try:
        import submitit
    except ModuleNotFoundError as error:
        raise ClusterError(
            "submitit is not installed. Install it: pip install 'jtdiag[slurm]'."
        ) from error
    folder = out.absolute().with_name(out.name + JOBS)
    try:
        executor = submitit.AutoExecutor(folder, cluster=cluster)
        executor.update_parameters(name=recipe.name, **(options or {}))
        with executor.batch():
            tasks = [
                PartTraining(recipe, out.absolute(), str(Part(number, count)))
                for number in range(1, count + 1)
            ]
            return [executor.submit(task) for task in tasks]
    except (RuntimeError, NameError, TypeError, ValueError, OSError) as error:
        raise ClusterError(f"The jobs were not submitted: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
