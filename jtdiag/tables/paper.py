"""Tables of a paper from runs and studies: errors, and configurations."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import sem

from jtdiag import names
from jtdiag.errors import DataError, ProbeError, RecipeError
from jtdiag.probing import results
from jtdiag.recipe import studies
from jtdiag.recipe.labels import labels
from jtdiag.replay import parameters_per_member
from jtdiag.store.run import Run
from jtdiag.tables import schemes
from jtdiag.tables.table import Cell, Number, Table

SCHEMES = {"bagging": "Bagging", "stacking": "Stacking", "single": "Single network"}
"""Columns after those of the λs, in their order."""


def errors(folders: Sequence[Path]) -> Table:
    """Return test errors in percent: a row for each run or study, a column for each λ and scheme.

    As in Table 2 of Webb et al. 2020: each ensemble at the epoch that validation chose, means with
    standard errors over trials.

    Raises:
        StoreError: if a probe has not been asked yet.
        ProbeError: if nothing is trained yet.
    """
    found = [_of_study(path) if studies.is_study(path) else _of_run(path) for path in folders]
    if not any(found):
        raise ProbeError("Nothing of these runs is trained yet; wait for their first epoch.")
    known = {column for cells in found for column in cells}
    lams = sorted(column for column in known if isinstance(column, float))
    others = [column for column in SCHEMES.values() if column in known]
    rest = sorted(c for c in known if isinstance(c, str) and c not in others)
    order: list[float | str] = [*lams, *others, *rest]
    trials = sorted({len(values) for cells in found for values in cells.values()})
    count = f"{trials[0]}" if len(trials) == 1 else f"{trials[0]} to {trials[-1]}"
    doubt = f"mean ± standard error over {count} trials" if trials[-1] > 1 else "one trial"
    return Table(
        name="errors",
        caption=f"Test error of the ensemble (%), {doubt}; the lowest of each row in bold.",
        columns=tuple(f"λ = {c:g}" if isinstance(c, float) else c for c in order),
        rows=tuple(
            (label, tuple(_number(cells[column]) if column in cells else None for column in order))
            for label, cells in zip(_named(folders), found, strict=True)
        ),
        origin=_origin(folders),
        decimals=2 if trials[-1] > 1 else 1,
    )


Cells = dict[float | str, tuple[float, ...]]
"""Errors by trial, as fractions, by λ or scheme."""


def _of_run(folder: Path) -> Cells:
    run = Run(folder)
    scheme = run.recipe.scheme
    probe, name = "performance", names.ENSEMBLE_ERROR
    if scheme == "stacking":
        probe, name = "stacking", "stacked_error"
    on_test = results.load(run, probe)[name].sel({names.SPLIT: names.TEST})
    found: Cells = {}
    for lam in run.recipe.lam:
        values = on_test.sel({names.LAM: lam}).values
        known = tuple(float(value) for value in values if np.isfinite(value))
        if known:
            found[float(lam) if scheme == "joint" else SCHEMES.get(scheme, scheme)] = known
    return found


def _of_study(folder: Path) -> Cells:
    found: Cells = {}
    for bar in schemes.bars(folder):
        column: float | str = float(bar.lam)
        if bar.scheme != "joint":
            first = SCHEMES.get(bar.scheme, bar.scheme)
            column = bar.label.capitalize() if first in found else first
        found[column] = bar.errors
    return found


def _number(values: tuple[float, ...]) -> Number:
    se = 100 * float(sem(values)) if len(values) > 1 else np.nan
    return Number(100 * float(np.mean(values)), se)


def _runs(folder: Path) -> list[Run]:
    """Return the run in a folder, or those of the study in it."""
    if not studies.is_study(folder):
        return [Run(folder)]
    return [Run(folder / name) for name in studies.read(folder / studies.FILE).runs]


def _named(folders: Sequence[Path]) -> list[str]:
    """Return what each row is called: runs by what differs, where there are no studies."""
    called = [path.resolve().name for path in folders]
    if any(studies.is_study(path) for path in folders):
        return called
    return labels([Run(path).recipe for path in folders], called)


def _origin(folders: Sequence[Path]) -> str:
    """Return versions, hashes and dates of what the runs' results were made by and from."""
    said = []
    for run in (run for folder in folders for run in _runs(folder)):
        probe = "stacking" if run.recipe.scheme == "stacking" else "performance"
        about = results.load(run, probe).attrs
        date = f", {about['date']}" if "date" in about else ""
        said.append(f"jtdiag {about['jtdiag']}, recipe {about['recipe_hash']}{date}")
    return "; ".join(dict.fromkeys(said))


def configurations(folders: Sequence[Path]) -> Table:
    """Return architectures and numbers of parameters: a row for each run, as in Table 1.

    Raises:
        StoreError: if a folder holds no run.
    """
    runs = [run for folder in folders for run in _runs(folder)]
    called = labels([run.recipe for run in runs], [run.path.resolve().name for run in runs])
    columns = ("architecture", "members", "parameters of a member", "parameters in all")
    return Table(
        name="configurations",
        caption="Configurations, and numbers of their parameters.",
        columns=columns,
        rows=tuple(
            (label, tuple(_configuration(run))) for label, run in zip(called, runs, strict=True)
        ),
        origin="; ".join(f"recipe {run.recipe_hash}" for run in runs),
        lowest=False,
    )


def _configuration(run: Run) -> Iterator[Cell]:
    members = run.recipe.members
    yield str(members.arch)
    yield str(members.count)
    try:
        size = parameters_per_member(run)
    except (DataError, RecipeError):  # neither checkpoints nor data nor module say it
        yield from (None, None)
        return
    yield f"{size:,.0f}"
    yield f"{size * members.count:,.0f}"


TABLES: dict[str, Callable[[Sequence[Path]], Table]] = {
    "errors": errors,
    "configurations": configurations,
}
