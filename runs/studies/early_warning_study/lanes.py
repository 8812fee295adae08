"""The study's lanes as arrays, and what counts as failed: fixed before any lane was trained."""

from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from early_warning_study.grid import CLASSES, EARLY
from early_warning_study.training import Row, read
from jtdiag.rules.skill import skill_ratio

CHANCE = 1 - 1 / CLASSES
FAILED_BELOW = 0.5
"""A lane's members have failed where, on test at the end, the median member has less than this
share of the ensemble's skill."""
DOMINATED_FROM = 0.75
"""A failed lane is dominated where the best member has at least this share of it, else its
members are codependent."""
LEARNT_FROM = 0.5
"""A lane counts as learnt where the ensemble's skill is at least this share of a perfect one's
(with ten classes, a test error of at most 45 %). Others are a class of their own."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Lanes:
    """Lanes as columns, (N,) each, or (N, E) for the E early epochs."""

    data: NDArray[np.str_]
    depth: NDArray[np.int64]
    width: NDArray[np.int64]
    members: NDArray[np.int64]
    rate: Floats
    lam: Floats
    ensemble: Floats
    """(N, E), training error of the ensemble after each early epoch; a running mean, fraction."""
    median: Floats
    """(N, E), of the median member."""
    best: Floats
    """(N, E), of the best member."""
    diversity: Floats
    """(N, E), mean member loss minus the ensemble's, nats, in training."""
    leads: Flags
    """(N, E), whether the leader in training error is the last epoch's."""
    moved: Floats
    """(N, E), least displacement over the median member's; NaN where it was not measured."""
    test_ensemble: Floats
    """(N,), test errors at the end."""
    test_median: Floats
    test_best: Floats

    def __len__(self) -> int:
        return len(self.lam)

    def where(self, kept: Flags) -> "Lanes":
        """Return some of the lanes."""
        return Lanes(**{name: column[kept] for name, column in vars(self).items()})

    @property
    def configuration(self) -> NDArray[np.str_]:
        """(N,), data and architecture, whose lanes at any λ and rate are not independent."""
        parts = zip(self.data, self.depth, self.width, self.members, strict=True)
        return np.array([f"{d} {h}x{w} {m}" for d, h, w, m in parts])

    @property
    def held_out(self) -> Flags:
        """(N,), whether a lane tests the limits or sets them: a hash of its configuration."""
        return np.array([crc32(name.encode()) % 2 == 0 for name in self.configuration], bool)

    # --- after the early epochs, in training -------------------------------------------------

    @property
    def median_skill(self) -> Floats:
        """(N, E), share of the ensemble's skill of the median member.

        NaN where the ensemble is not better than chance.
        """
        return np.asarray(skill_ratio(self.median, self.ensemble, CHANCE))

    @property
    def leader_skill(self) -> Floats:
        """(N, E), the same for the best member."""
        return np.asarray(skill_ratio(self.best, self.ensemble, CHANCE))

    # --- at the end, on test -----------------------------------------------------------------

    @property
    def learnt(self) -> Flags:
        """(N,), whether the ensemble itself learnt."""
        return (CHANCE - self.test_ensemble) / CHANCE >= LEARNT_FROM

    @property
    def final_skill(self) -> Floats:
        """(N,), share of the ensemble's skill of the median member at the end."""
        return np.asarray(skill_ratio(self.test_median, self.test_ensemble, CHANCE))

    @property
    def final_leader_skill(self) -> Floats:
        """(N,), the same for the best member."""
        return np.asarray(skill_ratio(self.test_best, self.test_ensemble, CHANCE))

    @property
    def failed(self) -> Flags:
        """(N,), whether the members had failed at the end, by dominance or by codependence."""
        return self.learnt & (self.final_skill < FAILED_BELOW)

    @property
    def dominated(self) -> Flags:
        """(N,), whether they had failed and one member dominated the ensemble."""
        return self.failed & (self.final_leader_skill >= DOMINATED_FROM)


def load(file: Path) -> Lanes:
    """Return the lanes in a table that `training` wrote."""
    return of_rows(read(file))


def of_rows(table: list[Row]) -> Lanes:
    """Return the lanes in rows of text."""

    def column(name: str) -> Floats:
        return np.array([float(row.get(name, "nan")) for row in table])

    def by_epoch(name: str) -> Floats:
        return np.stack([column(f"{name}_{epoch}") for epoch in EARLY], -1)

    return Lanes(
        data=np.array([row["data"] for row in table]),
        depth=column("depth").astype(int),
        width=column("width").astype(int),
        members=column("members").astype(int),
        rate=column("rate"),
        lam=column("lam"),
        ensemble=by_epoch("ensemble"),
        median=by_epoch("median"),
        best=by_epoch("best"),
        diversity=by_epoch("diversity"),
        leads=by_epoch("leads") == 1,
        moved=by_epoch("moved"),
        test_ensemble=column("test_ensemble"),
        test_median=column("test_median"),
        test_best=column("test_best"),
    )
