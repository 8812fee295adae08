"""The rows of the tables that the page is made from: one for each lane that is done."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import xarray as xr

import jtdiag
from jtdiag import names
from jtdiag.recipe import studies
from jtdiag.store.lanes import Lane
from jtdiag_probes.dominance import leadership
from jtdiag_probes.robustness.removal import SharedSubsets, random_orders

Row = dict[str, str]

CLAIM_EPOCH = 3
"""The epoch at whose end the paper sees the later leader (with Fig. 6)."""
ROBUSTNESS_LAMBDAS = (0.0, 0.99, 1.0)
"""λs of Figs. 7 and 8."""
REPEATS = 20
"""Random orders in which members are dropped there."""
MEASURED = tuple(
    f"{split}_{quantity}_{when}"
    for when in ("best", "last")
    for split in (names.TRAIN, names.TEST)
    for quantity in ("ensemble", "lowest", "median", "loss", "member_loss")
)
"""Columns of errors (fractions) and losses (nats): of the ensemble, of the best and the median
member, and of the members on average; at the epoch chosen by validation, and at the last one."""
FILES = {"lanes": "paper-lanes.csv", "dropped": "paper-dropped.csv"}


def gather(study: Path, out: Path) -> None:
    """Write the tables of a study's folder; lanes that are not done are left out.

    Args:
        study: Folder of the study `paper`.
        out: Folder of the tables.
    """
    of_study = runs(study)
    write(out / FILES["lanes"], (row for run in of_study for row in with_stacking(run)))
    write(out / FILES["dropped"], (row for run in of_study for row in dropped_rows(run)))


def runs(study: Path) -> list[jtdiag.Run]:
    """Return the runs of a study's folder whose training has begun, in its order."""
    return [
        jtdiag.Run(study / name)
        for name in studies.read(study / studies.FILE).runs
        if (study / name / "recipe.toml").is_file()
    ]


def write(file: Path, rows: Iterable[Row]) -> None:
    """Write rows of equal columns as CSV."""
    table = list(rows)
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(table[0]) if table else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def read(file: Path) -> list[Row]:
    """Return the rows of a table."""
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def done(run: jtdiag.Run) -> list[Lane]:
    """Return the lanes of a run whose last epoch is sealed, by λ and trial."""
    return sorted(
        (lane for lane in run.lanes if run.seal(lane).done),
        key=lambda lane: (lane.lam_index, lane.trial),
    )


def lane_rows(run: jtdiag.Run) -> Iterator[Row]:
    """Yield for each lane its errors and losses, at the best epoch and at the last."""
    metrics = run.metrics()
    for lane in done(run):
        of_lane = metrics.isel({names.LAM: lane.lam_index, names.TRIAL: lane.trial})
        best = int(of_lane["best_epoch"])
        yield (
            {
                "run": run.path.name,
                "lam": f"{run.lam(lane):g}",
                "trial": str(lane.trial),
                "members": str(run.recipe.members.count),
                "rate": f"{run.recipe.first_lr(lane.lam_index):g}",
                "epochs": str(run.recipe.train.epochs),
                "best_epoch": str(best),
            }
            | _at(of_lane.sel({names.EPOCH: best}), "best")
            | _at(of_lane.isel({names.EPOCH: -1}), "last")
            | _leader(run, lane)
        )


def with_stacking(run: jtdiag.Run) -> Iterator[Row]:
    """Yield the same with the error of stacking, where members were trained independently."""
    stacked = _stacked(run)
    for lane, row in zip(done(run), lane_rows(run), strict=True):
        yield row | {"stacked": _text(stacked.get(lane, np.nan))}


def _at(metrics: xr.Dataset, when: str) -> Row:
    row: Row = {}
    for split in (names.TRAIN, names.TEST):
        of_split = metrics.sel({names.SPLIT: split})
        members = of_split[names.MEMBER_ERROR].values
        row |= {
            f"{split}_ensemble_{when}": _text(of_split[names.ENSEMBLE_ERROR]),
            f"{split}_lowest_{when}": _text(members.min()),
            f"{split}_median_{when}": _text(np.median(members)),
            f"{split}_loss_{when}": _text(of_split[names.ENSEMBLE_LOSS]),
            f"{split}_member_loss_{when}": _text(of_split[names.MEMBER_LOSS].mean()),
        }
    return row


def _leader(run: jtdiag.Run, lane: Lane) -> Row:
    """Return whether the leader in training after the paper's epoch leads at the end."""
    history = run.history(lane)
    assert history is not None  # the lane is done
    leader = leadership.leader(history.member_error, history.member_loss)
    return {"leader_kept": str(int(leader[CLAIM_EPOCH] == leader[-1]))}


def _stacked(run: jtdiag.Run) -> dict[Lane, float]:
    """Return the test error of stacking by lane, where members were trained independently."""
    if run.recipe.scheme != "joint" or 0 not in run.recipe.lam:
        return {}
    error = jtdiag.probe(run, "stacking")["stacked_error"].sel({names.SPLIT: names.TEST})
    return {lane: float(error[lane.lam_index, lane.trial]) for lane in done(run)}


def dropped_rows(run: jtdiag.Run) -> Iterator[Row]:
    """Yield for each lane of Figs. 7 and 8 the test accuracy by number of dropped members."""
    count = run.recipe.members.count
    if run.recipe.scheme != "joint" or not {*ROBUSTNESS_LAMBDAS} <= {*run.recipe.lam}:
        return
    shown = np.unique(np.append(np.arange(0, count, max(1, count // 32)), count - 1))
    for lane in done(run):
        if run.lam(lane) not in ROBUSTNESS_LAMBDAS:
            continue
        accuracy = accuracies(run, lane)
        for dropped in shown:
            yield {
                "run": run.path.name,
                "lam": f"{run.lam(lane):g}",
                "trial": str(lane.trial),
                "dropped": str(dropped),
                "accuracy": _text(accuracy[dropped]),
            }


def accuracies(run: jtdiag.Run, lane: Lane) -> np.ndarray:
    """Return the test accuracy (M,) by number of dropped members, at the chosen epoch.

    As in the authors' code: the mean over random orders of members, each for all examples. The
    orders of a trial are the same at every λ. The probe robustness measures this and more.
    """
    random = np.random.default_rng(lane.trial)
    curves = SharedSubsets(random_orders(random, REPEATS, run.recipe.members.count), loss=False)
    for block in run.outputs(lane, run.chosen_epoch(lane), names.TEST):
        curves.add(block.logits, block.target)
    return curves.accuracy.mean(0)[::-1]  # by number of members left, from one on


def _text(number: object) -> str:
    """Return five decimals, a tenth of an example in 10,000; nothing for what was not measured."""
    value = float(number)  # type: ignore[arg-type]
    return f"{value:.5f}" if np.isfinite(value) else ""
