"""Array jobs of SLURM that train the parts of a run, through submitit."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jtdiag.engine import parts
from jtdiag.engine.parts import Part
from jtdiag.engine.session import Session
from jtdiag.engine.train import train
from jtdiag.errors import ClusterError
from jtdiag.recipe.recipe import Recipe
from jtdiag.store.lanes import Lane, read_seal
from jtdiag.workflows import wording

if TYPE_CHECKING:
    from submitit import Job
    from submitit.helpers import DelayedSubmission

JOBS = ".jobs"
"""Suffix of the folder beside the run with submitit's files, among them the output of each job."""
STARTS = 3
"""Times that a task is started without completing an epoch, until it is given up."""
NO_LIMIT = 1_000_000
"""Times that a task may reach its time limit; submitit has a limit, and for other tasks it is 3."""


class PartTraining:
    """What one task of the array does. Put into the queue again, it goes on from the last epoch.

    It is put there however often it reaches its time limit or is preempted, as long as it makes
    progress.
    """

    def __init__(self, recipe: Recipe, out: Path, part: Part, lanes: Sequence[Lane]) -> None:
        self.recipe = recipe
        self.out = out
        self.part = str(part)
        self.lanes = lanes
        self._epochs = 0
        self._starts = 0

    def __call__(self) -> str:
        """Train the part; return the run's folder."""
        epochs = self._sealed()
        self._starts = 1 if epochs > self._epochs else self._starts + 1
        self._epochs = epochs
        return str(train(self.recipe, self.out, part=self.part, resume=True).path)

    def checkpoint(self) -> "DelayedSubmission":
        """Return the task that submitit puts into the queue when the time limit is near.

        Raises:
            ClusterError: if it was started several times without completing an epoch.
        """
        from submitit.helpers import DelayedSubmission

        if self._starts >= STARTS and self._sealed() == self._epochs:
            raise ClusterError(wording.no_progress(self.out, self.part, STARTS))
        return DelayedSubmission(self)

    def _sealed(self) -> int:
        """Return the number of completed epochs of the part's lanes."""
        return sum(read_seal(self.out, lane).epoch for lane in self.lanes)


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
    every = [Part(number, count) for number in range(1, count + 1)]
    lanes = {part: parts.lanes_of(part, recipe, groups) for part in every}
    try:
        import submitit
    except ModuleNotFoundError as error:
        raise ClusterError(
            "submitit is not installed. Install it: pip install 'jtdiag[slurm]'."
        ) from error
    folder = out.absolute().with_name(out.name + JOBS)
    try:
        executor = submitit.AutoExecutor(folder, cluster=cluster, slurm_max_num_timeout=NO_LIMIT)
        executor.update_parameters(name=recipe.name, **(options or {}))
        with executor.batch():
            tasks = [PartTraining(recipe, out.absolute(), part, lanes[part]) for part in every]
            return [executor.submit(task) for task in tasks]
    except (RuntimeError, NameError, TypeError, ValueError, OSError) as error:
        raise ClusterError(f"The jobs were not submitted: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
