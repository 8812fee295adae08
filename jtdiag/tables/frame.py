"""Errors of runs as a table in Python."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jtdiag import names
from jtdiag.probing.running import probe
from jtdiag.recipe.labels import labels
from jtdiag.store.run import Run
from jtdiag.tables.performance import ERRORS

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (*ERRORS, "diversity", names.ENSEMBLE_LOSS)
"""Variables of the probe performance; of each, the mean over trials and its standard error."""


def table(
    run: Run | str | Path, *others: Run | str | Path, split: str = names.TEST
) -> "pd.DataFrame":
    """Return errors, diversity and loss of one run or several, one row for each run and λ.

    The probe performance is run first if it has no up-to-date result. Every lane is evaluated at
    the epoch selected on the validation split.

    Args:
        run: A run or its folder.
        others: Further runs.
        split: "train", "val" or "test".

    Returns:
        A pandas.DataFrame with the index (run, lam) and two columns for each quantity: its mean
        over trials and, with the suffix ``_se``, the standard error, NaN for one trial. Errors are
        fractions, losses and diversity nats.

    Raises:
        StoreError: if a folder contains no run, or one that has no such split.
    """
    import pandas as pd  # slow to import, and xarray needs it anyway

    runs = [each if isinstance(each, Run) else Run(each) for each in (run, *others)]
    folders = [each.path.resolve().name for each in runs]
    rows = []
    for each, name in zip(runs, labels([r.recipe for r in runs], folders), strict=True):
        each.require_split(split)
        result = probe(each, "performance").sel({names.SPLIT: split})
        for lam in np.sort(result[names.LAM].values):
            at_lam = result.sel({names.LAM: lam})
            row: dict[str, object] = {"run": name, names.LAM: float(lam)}
            for column in COLUMNS:
                row[column] = float(at_lam[f"{column}_mean"])
                row[f"{column}_se"] = float(at_lam[f"{column}_se"])
            rows.append(row)
    return pd.DataFrame(rows).set_index(["run", names.LAM])
