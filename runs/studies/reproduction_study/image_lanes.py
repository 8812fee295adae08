"""Rows of the lanes of `paper-images`: errors, filters, and what became of the members."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import jtdiag
from early_warning_study.judging import first_epochs
from early_warning_study.lanes import DOMINATED_FROM, FAILED_BELOW
from jtdiag import names
from jtdiag.rules.skill import skill_ratio
from jtdiag.store.lanes import Lane
from jtdiag_probes.filters import first_layer
from reproduction_study import collecting
from reproduction_study.collecting import Row
from reproduction_study.lanes import Measured

FILE = "paper-images.csv"
RULES = ("dominance", "codependence", "stagnation")
LEARNT_FROM = 0.25
"""A lane counts as learned where the ensemble's skill is at least this share of a perfect one's:
with ten classes, a test error of at most 67.5 %. The images are harder than digits."""
NOT_LEARNT, ALONE, DOMINATED, CODEPENDENT = (
    "not learned",
    "good on their own",
    "dominated",
    "codependent",
)
"""What becomes of the members of a lane, as in early-diagnosis.md: the ensemble has not learned,
members are good on their own, one dominates, or they need each other."""


def gather(study: Path, out: Path) -> None:
    """Write the table of a study's folder; lanes that are not done are left out.

    Args:
        study: Folder of the study `paper-images`.
        out: Folder of the table.
    """
    rows = [row for run in collecting.runs(study) for row in lane_rows(run)]
    collecting.write(out / FILE, rows)


def load(folder: Path) -> Measured:
    """Return what the table in a folder contains."""
    return Measured(collecting.read(folder / FILE), [])


def lane_rows(run: jtdiag.Run) -> Iterator[Row]:
    """Yield a row for each lane that is done."""
    test = run.metrics().sel({names.SPLIT: names.TEST})
    for lane, row in zip(collecting.done(run), collecting.lane_rows(run), strict=True):
        of_lane = test.isel({names.LAM: lane.lam_index, names.TRIAL: lane.trial})
        history = run.history(lane)
        assert history is not None  # the lane is done
        last, since = outcome(
            of_lane[names.ENSEMBLE_ERROR].values,
            of_lane[names.MEMBER_ERROR].values,
            history.chance_error,
        )
        fired = first_epochs(history)
        yield (
            row
            | {"chance": f"{history.chance_error:.5f}", "outcome": last}
            | {"since": str(history.epoch[since])}
            | {f"{rule}_from": str(fired[rule]) for rule in RULES}
            | {"strong_filters": _strong_filters(run, lane)}
        )


def outcome(
    ensemble: NDArray[np.float64], members: NDArray[np.float64], chance: float
) -> tuple[str, int]:
    """Return what became of a lane, and the index of the epoch from which on it was so.

    Args:
        ensemble: Test errors of the ensemble by epoch, (E,), fractions.
        members: Those of the members, (E, M).
        chance: Error at chance level.
    """
    ranked = np.sort(members, axis=1)
    best = skill_ratio(ranked[:, 0], ensemble, chance)
    others = skill_ratio(np.median(ranked[:, 1:], axis=1), ensemble, chance)
    learnt = chance - ensemble >= LEARNT_FROM * chance
    kind = np.where(
        others >= FAILED_BELOW, ALONE, np.where(best >= DOMINATED_FROM, DOMINATED, CODEPENDENT)
    )
    kind = np.where(learnt, kind, NOT_LEARNT)
    different = np.flatnonzero(kind != kind[-1])
    return str(kind[-1]), int(different[-1] + 1) if different.size else 0


def _strong_filters(run: jtdiag.Run, lane: Lane) -> str:
    """Return the norm of the median member's strongest filter over that of the strongest of all.

    Of the first layer at the chosen epoch. 1 if members have equally strong filters, and close to 0
    if one member alone has strong ones (Fig. 5).
    """
    name = first_layer.find(run)
    assert name is not None  # checkpoints are kept
    weights = first_layer.weights(run, lane, run.chosen_epoch(lane), name)
    strongest = first_layer.norms(weights).max(axis=1)
    return f"{np.median(strongest) / strongest.max():.5f}"
