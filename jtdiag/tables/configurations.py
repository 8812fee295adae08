"""Table of architectures and numbers of parameters."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from jtdiag.errors import DataError, RecipeError
from jtdiag.recipe.labels import labels
from jtdiag.store.run import Run
from jtdiag.tables import wording
from jtdiag.tables.schemes import runs_in
from jtdiag.tables.table import Cell, Table


def configurations(folders: Sequence[Path]) -> Table:
    """Return architectures and numbers of parameters, one row per run.

    As in Table 1 of Webb et al. (2020).

    Args:
        folders: Folders of runs or studies.

    Raises:
        StoreError: if a folder contains no run.
    """
    runs = [run for folder in folders for run in runs_in(folder)]
    row_names = labels([run.recipe for run in runs], [run.path.resolve().name for run in runs])
    return Table(
        name="configurations",
        caption=wording.configurations_caption(),
        columns=("architecture", "members", "parameters per member", "total parameters"),
        rows=tuple(
            (name, tuple(_configuration(run))) for name, run in zip(row_names, runs, strict=True)
        ),
        origin="; ".join(f"recipe {run.recipe_hash}" for run in runs),
        lowest=False,
    )


def _configuration(run: Run) -> Iterator[Cell]:
    from jtdiag.replay import parameters_per_member  # with torch, which other tables do without

    members = run.recipe.members
    yield str(members.arch)
    yield str(members.count)
    try:
        size = parameters_per_member(run)
    except (DataError, RecipeError):  # the run has no checkpoints, and data or module are missing
        yield from (None, None)
        return
    yield None if members.branched else f"{size:,.0f}"  # branches share parameters
    yield f"{size * members.copies:,.0f}"
