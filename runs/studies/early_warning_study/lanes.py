"""The study's lanes as arrays, and what counts as failed: fixed before any lane was trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from early_warning_study.grid import CLASSES, EARLY, LENGTHS
from early_warning_study.judging import RULES
from early_warning_study.training import Row, read
from jtdiag.rules import limits
from jtdiag.rules.skill import skill_ratio

CHANCE = 1 - 1 / CLASSES
FAILED_BELOW = 0.5
"""A lane's members have failed where, on test at the end, the median of the members other than the
best has less than this share of the ensemble's skill. With two members that is the other one."""
DOMINATED_FROM = 0.75
"""A failed lane is dominated where the best member has at least this share of it, else its
members are codependent."""
LEARNT_FROM = 0.5
"""A lane counts as learnt where the ensemble's skill is at least this share of a perfect one's
(with ten classes, a test error of at most 45 %). Others are a class of their own."""
STAGNANT_BELOW = 0.1
"""A lane has a stagnant member where, on the training set at the end, the worst member has less
than this share of the ensemble's skill: it has learned nothing."""

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
    start: NDArray[np.str_]
    """How members start; see `grid.STARTS`."""
    decay: Floats
    """Weight decay of a member."""
    norm: NDArray[np.str_]
    """"none" or "batch"."""
    batch: NDArray[np.int64]
    """Batch size; 0 for that of the data."""
    lam: Floats
    trial: NDArray[np.int64]
    ensemble: Floats
    """(N, E), training error of the ensemble after each early epoch; a running mean, fraction."""
    others: Floats
    """(N, E), median of the members other than the best."""
    best: Floats
    """(N, E), of the best member."""
    median: Floats
    """(N, E), of the median member."""
    diversity: Floats
    """(N, E), mean member loss minus the ensemble's, nats, in training."""
    leads: Flags
    """(N, E), whether the leader in training error is the last epoch's."""
    moved: Floats
    """(N, E), least displacement over the median member's."""
    fired: Mapping[str, Flags]
    """(N, E) by rule, whether it fires after each early epoch, asked from epoch 1 on."""
    effective: Floats
    """(N,), members over which the ensemble's logits are spread, on test at the end."""
    train_ensemble: Floats
    """(N,), training errors of the last epoch."""
    train_worst: Floats
    train_median: Floats
    test_ensemble: Floats
    """(N, T), test errors after the epochs `grid.LENGTHS`, and at the end in the last column."""
    test_others: Floats
    test_best: Floats

    def __len__(self) -> int:
        return len(self.lam)

    def where(self, kept: Flags) -> "Lanes":
        """Return some of the lanes."""
        columns = {name: column[kept] for name, column in vars(self).items() if name != "fired"}
        return Lanes(**columns, fired={rule: flags[kept] for rule, flags in self.fired.items()})

    @property
    def configuration(self) -> NDArray[np.str_]:
        """(N,), data, architecture, start and decay, whose lanes are not independent.

        Of lanes about SGD also normalization, batch size and rate.

        Lanes of one configuration at several λs share their seed.
        """
        columns = (self.data, self.depth, self.width, self.members, self.start, self.decay)
        parts = zip(*columns, strict=True)
        common = [f"{a} {h}x{w} {m} {s} {d:g}" for a, h, w, m, s, d in parts]
        sgd = zip(self.norm, self.batch, self.rate, strict=True)
        own = [f" {norm} {batch} {rate:g}" if batch else "" for norm, batch, rate in sgd]
        return np.array([a + b for a, b in zip(common, own, strict=True)])

    @property
    def held_out(self) -> Flags:
        """(N,), whether a lane tests the limits or sets them: a hash of its configuration."""
        return np.array([crc32(name.encode()) % 2 == 0 for name in self.configuration], bool)

    # --- after the early epochs, in training -------------------------------------------------

    @property
    def others_skill(self) -> Floats:
        """(N, E), share of the ensemble's skill of the median of the members but the best.

        NaN where the ensemble is not better than chance.
        """
        return np.asarray(skill_ratio(self.others, self.ensemble, CHANCE))

    @property
    def leader_skill(self) -> Floats:
        """(N, E), the same for the best member."""
        return np.asarray(skill_ratio(self.best, self.ensemble, CHANCE))

    # --- at the end, on test -----------------------------------------------------------------

    @property
    def learnt(self) -> Flags:
        """(N,), whether the ensemble itself learnt."""
        return self._learnt[:, -1]

    @property
    def final_skill(self) -> Floats:
        """(N,), share of the ensemble's skill of the median member but the best, at the end."""
        return self._skill(self.test_others)[:, -1]

    @property
    def final_leader_skill(self) -> Floats:
        """(N,), the same for the best member."""
        return self._skill(self.test_best)[:, -1]

    @property
    def failed(self) -> Flags:
        """(N,), whether the members had failed at the end, by dominance or by codependence."""
        return self._failed[:, -1]

    @property
    def dominated(self) -> Flags:
        """(N,), whether they had failed and one member dominated the ensemble."""
        return self.dominated_after[:, -1]

    @property
    def dominated_after(self) -> Flags:
        """(N, T), the same after the epochs of `grid.LENGTHS` and at the end."""
        return self._failed & (self._skill(self.test_best) >= DOMINATED_FROM)

    @property
    def codependent(self) -> Flags:
        """(N,), whether they had failed and no member was nearly as good as the ensemble."""
        return self.failed & ~self.dominated

    @property
    def stagnant(self) -> Flags:
        """(N,), whether a member had learnt nothing at the end, in training."""
        worst = np.asarray(skill_ratio(self.train_worst, self.train_ensemble, CHANCE))
        return self.learnt & (worst < STAGNANT_BELOW)

    @property
    def fitted(self) -> Flags:
        """(N,), whether the median member fits the training set at the end."""
        return self.train_median / CHANCE < limits.TRAINING_ERROR

    @property
    def _learnt(self) -> Flags:
        return (CHANCE - self.test_ensemble) / CHANCE >= LEARNT_FROM

    @property
    def _failed(self) -> Flags:
        return self._learnt & (self._skill(self.test_others) < FAILED_BELOW)

    def _skill(self, error: Floats) -> Floats:
        return np.asarray(skill_ratio(error, self.test_ensemble, CHANCE))


def load(file: Path) -> Lanes:
    """Return the lanes in a table that `training` wrote."""
    return of_rows(read(file))


def of_rows(table: list[Row]) -> Lanes:
    """Return the lanes in rows of text."""

    def column(name: str) -> Floats:
        return np.array([float(row[name]) for row in table])

    def words(name: str) -> NDArray[np.str_]:
        return np.array([row[name] for row in table])

    def by_epoch(name: str) -> Floats:
        return np.stack([column(f"{name}_{epoch}") for epoch in EARLY], -1)

    def after(name: str) -> Floats:
        return np.stack([column(f"{name}_{epoch}") for epoch in LENGTHS] + [column(name)], -1)

    return Lanes(
        data=words("data"),
        depth=column("depth").astype(int),
        width=column("width").astype(int),
        members=column("members").astype(int),
        rate=column("rate"),
        start=words("start"),
        decay=column("decay"),
        norm=np.array([row.get("norm", "none") for row in table]),
        batch=np.array([int(row.get("batch", 0)) for row in table]),
        lam=column("lam"),
        trial=column("trial").astype(int),
        **{name: by_epoch(name) for name in _BY_EPOCH},
        leads=by_epoch("leads") == 1,
        fired={rule: np.array([list(row[rule]) for row in table]) == "1" for rule in RULES},
        **{name: column(name) for name in _AT_END},
        **{name: after(name) for name in _AFTER},
    )


_BY_EPOCH = ("ensemble", "others", "best", "median", "diversity", "moved")
_AT_END = ("effective", "train_ensemble", "train_worst", "train_median")
_AFTER = ("test_ensemble", "test_others", "test_best")
