"""Training the zoo, and making a row of each lane: when each rule fired, if it did."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

import jtdiag
from early_warning_study import judging
from early_warning_study.training import Row, text, trained, write
from false_alarms_study import data
from false_alarms_study.zoo import Healthy
from jtdiag.rules import limits
from jtdiag.rules.contract import History

TABLE = "false-alarms.csv"


def train(zoo: Iterable[Healthy], out: Path) -> None:
    """Train the runs that are not trained yet; they stay in the folder ``zoo`` of `out`."""
    for healthy in zoo:
        name = data.saved(healthy.data, out / "data")
        if trained(out / "zoo" / healthy.name, healthy.recipe(name)):
            print(healthy.name, flush=True)


def gather(zoo: Iterable[Healthy], out: Path, tables: Path) -> None:
    """Write a row for each lane of the runs that are done."""
    table: list[Row] = []
    for healthy in zoo:
        folder = out / "zoo" / healthy.name
        if folder.exists() and jtdiag.Run(folder).done:
            table += rows(healthy, jtdiag.Run(folder))
    write(tables / TABLE, table)


def rows(healthy: Healthy, run: jtdiag.Run) -> Iterator[Row]:
    """Yield a row for each lane of a run that is done.

    The rules are asked as if λ were unknown: dominance never fires at λ = 0, where most lanes are.
    """
    for lane in run.lanes:
        history = run.history(lane)
        assert history is not None
        yield {
            "kind": healthy.kind,
            "data": healthy.data,
            "hidden": " ".join(map(str, healthy.hidden)),
            "members": str(healthy.members),
            "start": _start(healthy),
            "lam": f"{run.lam(lane):g}",
            "trial": str(lane.trial),
            "epochs": str(history.last),
            "fits": str(int(fits(history))),
            "finite": str(int(finite(history))),
            "broken": str(int(broken(history))),
            "ensemble": text(history.ensemble_error[-1]),
            "median": text(np.median(history.member_error[-1])),
            **{
                rule: str(epoch)
                for rule, epoch in judging.first_epochs(replace(history, lam=None)).items()
            },
        }


def _start(healthy: Healthy) -> str:
    if not healthy.start:
        return "equal"
    return "ahead" if "start" in healthy.start else "spread"


def fits(history: History) -> bool:
    """Return whether the median member fits the training set at the end, as over-capacity says."""
    left = np.median(history.member_error[-1]) / history.chance_error
    return bool(left < limits.TRAINING_ERROR)


def finite(history: History) -> bool:
    """Return whether all losses are finite at the end."""
    members, ensemble = history.member_loss[-1], history.ensemble_loss[-1]
    return bool(np.isfinite(members).all() and np.isfinite(ensemble))


def broken(history: History) -> bool:
    """Return whether training ended with losses that are not finite, or with nothing learned."""
    left = history.ensemble_error[-1] / history.chance_error
    return not finite(history) or not left < _NOTHING_LEARNED


_NOTHING_LEARNED = 0.9
"""Training error of the ensemble over the chance-level error."""
