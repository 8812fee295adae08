"""Training the study's ensembles; of each lane a row of numbers is kept, and no store."""

import csv
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import xarray as xr

import jtdiag
from early_warning_study.grid import EARLY, MOVED, Ensemble
from jtdiag import names
from jtdiag.engine.datasets import fashion_mnist
from jtdiag.store.lanes import Lane
from jtdiag_probes.dominance import inequality, leadership, movement

IMAGES = (5_000, 2_000)
"""The first images of Fashion-MNIST's training and test part."""
TABLES = {"rules": "early-warning.csv", "depth": "early-warning-depth.csv"}

Row = dict[str, str]


def train(ensembles: Iterable[Ensemble], out: Path, root: Path | None) -> None:
    """Train the ensembles that have no rows yet; interrupted runs are resumed.

    Args:
        ensembles: The ensembles to train.
        out: Rows go to its folder ``rows``; a run's store is deleted when its rows are there.
        root: Folder with Fashion-MNIST in torchvision's layout; without it, digits only.
    """
    (out / "rows").mkdir(parents=True, exist_ok=True)
    wanted = [e for e in ensembles if e.data == "digits" or root is not None]
    for count, ensemble in enumerate(wanted, 1):
        done = out / "rows" / f"{ensemble.name}.csv"
        if done.exists():
            continue
        folder = out / "runs" / ensemble.name
        data = "digits" if root is None else _data(ensemble.data, out, root)
        run = jtdiag.train(ensemble.recipe(data), folder, resume=True)
        write(done, list(rows(ensemble, run)))
        shutil.rmtree(folder)
        print(f"{count}/{len(wanted)} {ensemble.name}", flush=True)


def gather(out: Path, tables: Path) -> None:
    """Write the rows of all ensembles in a folder as one table for each purpose."""
    for purpose, name in TABLES.items():
        table: list[Row] = []
        for file in sorted((out / "rows").glob(f"{purpose}-*.csv")):
            table += read(file)
        if table:
            write(tables / name, table)


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
    effective = (
        jtdiag.probe(run, "dominance")["effective_members"].sel({names.SPLIT: names.TEST})
        if ensemble.purpose == "depth"
        else None
    )
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
        if effective is None:
            row |= _early(of_lane) | _moved(run, lane)
        else:
            row |= {"budget": str(ensemble.budget)}
            row |= {"effective": _text(float(effective.isel(selection)[-1]))}
        yield row | _end(of_lane)


def _early(metrics: xr.Dataset) -> Row:
    """Return training errors (running means) and diversity after each early epoch."""
    train = metrics.sel({names.SPLIT: names.TRAIN})
    error, loss = train[names.MEMBER_ERROR].values, train[names.MEMBER_LOSS].values
    ensemble = train[names.ENSEMBLE_ERROR].values
    diversity = loss.mean(-1) - train[names.ENSEMBLE_LOSS].values
    leader = leadership.leader(error, loss)
    row: Row = {}
    for epoch in EARLY:
        row[f"ensemble_{epoch}"] = _text(ensemble[epoch])
        row[f"median_{epoch}"] = _text(np.median(error[epoch]))
        row[f"best_{epoch}"] = _text(error[epoch].min())
        row[f"diversity_{epoch}"] = f"{diversity[epoch]:.3g}"
        row[f"leads_{epoch}"] = str(int(leader[epoch] == leader[-1]))
    return row


def _moved(run: jtdiag.Run, lane: Lane) -> Row:
    """Return the least member's distance from its initial weights, over the median member's."""
    row: Row = {}
    for epoch in MOVED:
        far = movement.displacement(run, lane, epoch)
        ratio = np.nan if far is None or np.median(far) == 0 else far.min() / np.median(far)
        row[f"moved_{epoch}"] = _text(ratio)
    return row


def _end(metrics: xr.Dataset) -> Row:
    """Return the last epoch's errors."""
    last = metrics.isel({names.EPOCH: -1})
    row: Row = {}
    for split in (names.TRAIN, names.TEST):
        of_split = last.sel({names.SPLIT: split})
        error = of_split[names.MEMBER_ERROR].values
        row[f"{split}_ensemble"] = _text(float(of_split[names.ENSEMBLE_ERROR]))
        row[f"{split}_median"] = _text(np.median(error))
        row[f"{split}_best"] = _text(error.min())
        row[f"{split}_gini"] = _text(float(inequality.gini(error)))
    return row


def _text(number: float | np.floating) -> str:
    """Return three decimals, without trailing zeros."""
    return f"{number:.3f}".rstrip("0").rstrip(".") if np.isfinite(number) else "nan"
