"""Table of test errors, by λ and scheme."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jtdiag import names
from jtdiag.errors import ProbeError
from jtdiag.names import lam_text
from jtdiag.probing import lane_states, results
from jtdiag.recipe import studies
from jtdiag.recipe.labels import labels
from jtdiag.stats import standard_error
from jtdiag.store.run import Run
from jtdiag.tables import schemes, wording
from jtdiag.tables.schemes import Scheme, probed_in
from jtdiag.tables.table import Number, Table

SCHEMES = {"bagging": "Bagging", "stacking": "Stacking", "single": "Single network"}
"""Columns after those of the λs, in this order."""

Column = float | str
"""A λ, or the name of a scheme."""
Errors = dict[Column, tuple[float, ...]]
"""Errors by trial, as fractions, for each column."""


def errors(folders: Sequence[Path]) -> Table:
    """Return test errors in percent: one row per run or study, one column per λ and scheme.

    As in Table 2 of Webb et al. (2020): each ensemble at the epoch chosen on the validation split,
    means with standard errors over trials. A study that would have several numbers in a column,
    such as two joint runs of different members, has a row for each of its runs instead.

    Args:
        folders: Folders of runs or studies.

    Raises:
        StoreError: if a probe has not been run yet.
        ProbeError: if none of the runs has an epoch of a lane that has not diverged.
    """
    rows = _rows(folders)
    if not any(row for _, row in rows):
        raise ProbeError(
            "None of the runs has test errors: no epoch is complete, every lane diverged, or a "
            "recorded run has no outputs of the split test."
        )
    columns = _ordered({column for _, row in rows for column in row})
    trials = {len(values) for _, row in rows for values in row.values()}
    return Table(
        name="errors",
        caption=wording.errors_caption(trials),
        columns=tuple(f"λ = {lam_text(c)}" if isinstance(c, float) else c for c in columns),
        rows=tuple(
            (name, tuple(_number(row[c]) if c in row else None for c in columns))
            for name, row in rows
        ),
        origin=_origin(folders),
        decimals=2 if max(trials) > 1 else 1,
    )


def _rows(folders: Sequence[Path]) -> list[tuple[str, Errors]]:
    """Return the name and the errors of each row."""
    rows: list[tuple[str, Errors]] = []
    for folder, name in zip(folders, _row_names(folders), strict=True):
        if not studies.is_study(folder):
            rows.append((name, _of_run(folder)))
            continue
        for run, row in _of_study(folder):
            alone = len(folders) == 1 and run
            rows.append((run if alone else f"{name} {run}".strip(), row))
    return rows


def _ordered(columns: set[Column]) -> list[Column]:
    """Return λs in ascending order, then schemes in the order of `SCHEMES`, then the rest."""
    lams = sorted(column for column in columns if isinstance(column, float))
    schemes = [column for column in SCHEMES.values() if column in columns]
    rest = sorted(c for c in columns if isinstance(c, str) and c not in schemes)
    return [*lams, *schemes, *rest]


def _of_run(folder: Path) -> Errors:
    run = Run(folder)
    if lane_states.all_diverged(run):
        return {}
    scheme = run.recipe.scheme
    probe, name = "performance", names.ENSEMBLE_ERROR
    if scheme == "stacking":
        probe, name = "stacking", "stacked_error"
    test = results.load(run, probe)[name].sel({names.SPLIT: names.TEST})
    row: Errors = {}
    for lam in run.recipe.lam:
        values = test.sel({names.LAM: lam}).values
        by_trial = tuple(float(value) for value in values if np.isfinite(value))
        if by_trial:
            row[float(lam) if scheme == "joint" else SCHEMES.get(scheme, scheme)] = by_trial
    return row


def _of_study(folder: Path) -> list[tuple[str, Errors]]:
    """Return one row without a name, or one row per run where joint runs share a λ."""
    of_study = schemes.of_study(folder)
    joint = [scheme.lam for scheme in of_study if scheme.scheme == "joint"]
    if len(set(joint)) == len(joint):
        return [("", _row(of_study))]
    runs = [run.path.name for run in schemes.probed_in(folder)]
    return [(name, _row([s for s in of_study if s.run == name])) for name in runs]


def _row(of_study: Sequence[Scheme]) -> Errors:
    """Return the errors of schemes by column; the name of the run sets equal schemes apart."""
    counts = Counter(scheme.scheme for scheme in of_study)
    row: Errors = {}
    for scheme in of_study:
        column: Column = float(scheme.lam)
        if scheme.scheme != "joint":
            alone = counts[scheme.scheme] == 1
            name = SCHEMES[scheme.scheme]
            column = name if alone else f"{name} ({scheme.run})"
        assert column not in row
        row[column] = scheme.errors
    return row


def _number(values: tuple[float, ...]) -> Number:
    return Number(100 * float(np.mean(values)), 100 * float(standard_error(values)))


def _row_names(folders: Sequence[Path]) -> list[str]:
    """Return the names of the rows: what differs between runs, or folders if any is a study."""
    folder_names = [path.resolve().name for path in folders]
    if any(studies.is_study(path) for path in folders):
        return folder_names
    return labels([Run(path).recipe for path in folders], folder_names)


def _origin(folders: Sequence[Path]) -> str:
    """Return versions, recipe hashes and dates of the results."""
    origins = []
    for run in (run for folder in folders for run in probed_in(folder)):
        if lane_states.all_diverged(run):
            continue
        probe = "stacking" if run.recipe.scheme == "stacking" else "performance"
        attrs = results.load(run, probe).attrs
        date = f", {attrs['date']}" if "date" in attrs else ""
        origins.append(f"jtdiag {attrs['jtdiag']}, recipe {attrs['recipe_hash']}{date}")
    return "; ".join(dict.fromkeys(origins))
