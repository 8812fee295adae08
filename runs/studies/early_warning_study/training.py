"""Training the study's ensembles, whose runs stay on disk, and making a row of each lane."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import xarray as xr

import jtdiag
from early_warning_study import judging
from early_warning_study.grid import EARLY, LENGTHS, Ensemble
from jtdiag import names
from jtdiag.engine.datasets import fashion_mnist
from jtdiag.errors import StoreError
from jtdiag.recipe.recipe import Recipe
from jtdiag.rules.contract import History
from jtdiag.rules.stagnation import relative_displacement
from jtdiag_probes.dominance import inequality, leadership

IMAGES = (5_000, 2_000)
"""The first images of Fashion-MNIST's training and test part."""
TABLES = {
    "rules": "early-warning.csv",
    "depth": "early-warning-depth.csv",
    "sgd": "early-warning-sgd.csv",
}

Row = dict[str, str]


def train(ensembles: Iterable[Ensemble], out: Path, root: Path | None) -> None:
    """Train the ensembles that are not trained yet; interrupted runs are resumed.

    Args:
        ensembles: The ensembles to train.
        out: Runs go to its folder ``runs`` and stay there, so that rules whose limits have
            changed can be evaluated without training again.
        root: Folder with Fashion-MNIST in torchvision's layout; without it, digits only.
    """
    wanted = [e for e in ensembles if e.data == "digits" or root is not None]
    for count, ensemble in enumerate(wanted, 1):
        data = "digits" if root is None else _data(ensemble.data, out, root)
        if trained(out / "runs" / ensemble.name, ensemble.recipe(data)):
            print(f"{count}/{len(wanted)} {ensemble.name}", flush=True)


def trained(folder: Path, recipe: Recipe) -> bool:
    """Train a run unless it is done; return whether there was anything to do."""
    try:
        if jtdiag.Run(folder).done:
            return False
    except StoreError:
        pass  # not started
    jtdiag.train(recipe, folder, resume=True)
    return True


def gather(ensembles: Iterable[Ensemble], out: Path, tables: Path) -> None:
    """Write a row for each lane of the runs that are done, as one table for each purpose."""
    by_purpose: dict[str, list[Row]] = {}
    for ensemble in ensembles:
        folder = out / "runs" / ensemble.name
        if folder.exists() and jtdiag.Run(folder).done:
            of_run = rows(ensemble, jtdiag.Run(folder))
            by_purpose.setdefault(ensemble.purpose, []).extend(of_run)
    for purpose, table in by_purpose.items():
        write(tables / TABLES[purpose], table)


def read(file: Path) -> list[Row]:
    """Return the rows of a table, as text."""
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write(file: Path, table: list[Row]) -> None:
    """Write rows with equal columns; a file is complete or does not exist."""
    draft = file.with_suffix(".partial")
    with draft.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, table[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    draft.rename(file)


def _data(name: str, out: Path, root: Path) -> str:
    if name == "digits":
        return name
    file = out / "fashion.npz"
    if not file.exists():
        whole, (train, test) = fashion_mnist.load(root), IMAGES
        np.savez(
            file,
            x_train=np.round(255 * whole.x_train[:train, 0]).astype(np.uint8),
            y_train=whole.y_train[:train],
            x_test=np.round(255 * whole.x_test[:test, 0]).astype(np.uint8),
            y_test=whole.y_test[:test],
        )
    return str(file)


# --- one lane ------------------------------------------------------------------------------------


def rows(ensemble: Ensemble, run: jtdiag.Run) -> Iterator[Row]:
    """Yield a row for each lane of a run that is done."""
    metrics = run.metrics()
    effective = jtdiag.probe(run, "dominance")["effective_members"].sel({names.SPLIT: names.TEST})
    for lane in run.lanes:
        selection = {names.LAM: lane.lam_index, names.TRIAL: lane.trial}
        of_lane = metrics.isel(selection)
        row = {
            "data": ensemble.data,
            "depth": str(ensemble.depth),
            "width": str(ensemble.width),
            "members": str(ensemble.members),
            "rate": f"{ensemble.rate:g}",
            "lam": f"{run.lam(lane):g}",
            "trial": str(lane.trial),
        }
        if ensemble.purpose == "depth":
            row |= {"budget": str(ensemble.budget)}
        else:
            history = run.history(lane)
            assert history is not None
            row |= {"start": ensemble.start, "decay": f"{ensemble.decay:g}"}
            if ensemble.purpose == "sgd":
                row |= {"norm": ensemble.norm, "batch": str(ensemble.batch)}
            row |= _early(history) | judging.by_epoch(history) | _lengths(of_lane)
        row |= {"effective": text(float(effective.isel(selection)[-1]))}
        yield row | _end(of_lane)


def _early(history: History) -> Row:
    """Return training errors (running means) and diversity after each early epoch."""
    error = history.member_error
    leader = leadership.leader(error, history.member_loss)
    row: Row = {}
    for epoch in EARLY:
        row[f"ensemble_{epoch}"] = text(history.ensemble_error[epoch])
        row[f"median_{epoch}"] = text(np.median(error[epoch]))
        row[f"others_{epoch}"] = text(others(error[epoch]))
        row[f"best_{epoch}"] = text(error[epoch].min())
        row[f"diversity_{epoch}"] = f"{history.diversity[epoch]:.3g}"
        row[f"leads_{epoch}"] = str(int(leader[epoch] == leader[-1]))
        row[f"moved_{epoch}"] = text(relative_displacement(history.until(epoch)).min())
    return row


def _lengths(metrics: xr.Dataset) -> Row:
    """Return the errors on test after some epochs before the last."""
    row: Row = {}
    for epoch in LENGTHS:
        row |= _errors(metrics.isel({names.EPOCH: epoch}), names.TEST, f"_{epoch}")
    return row


def _end(metrics: xr.Dataset) -> Row:
    """Return the last epoch's errors."""
    last = metrics.isel({names.EPOCH: -1})
    row = _errors(last, names.TRAIN) | _errors(last, names.TEST)
    for split in (names.TRAIN, names.TEST):
        error = last.sel({names.SPLIT: split})[names.MEMBER_ERROR].values
        row[f"{split}_worst"] = text(error.max())
        row[f"{split}_gini"] = text(float(inequality.gini(error)))
    return row


def _errors(metrics: xr.Dataset, split: str, suffix: str = "") -> Row:
    of_split = metrics.sel({names.SPLIT: split})
    error = of_split[names.MEMBER_ERROR].values
    return {
        f"{split}_ensemble{suffix}": text(float(of_split[names.ENSEMBLE_ERROR])),
        f"{split}_median{suffix}": text(np.median(error)),
        f"{split}_others{suffix}": text(others(error)),
        f"{split}_best{suffix}": text(error.min()),
    }


def others(error: np.ndarray) -> np.floating:
    """Return the median error of the members (M,) other than the best."""
    return np.median(np.sort(error)[1:])


def text(number: float | np.floating) -> str:
    """Return three decimals, without trailing zeros."""
    return f"{number:.3f}".rstrip("0").rstrip(".") if np.isfinite(number) else "nan"
