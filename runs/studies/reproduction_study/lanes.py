"""The tables as numbers by run, λ and trial."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reproduction_study.collecting import FILES, Row, read

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """What was measured of the study: lanes, and accuracies with dropped members."""

    lanes: list[Row]
    dropped: list[Row]

    def values(self, run: str, lam: float, column: str) -> dict[int, float]:
        """Return the values of a column for one λ of a run, by trial; empty if there are none."""
        return {
            int(row["trial"]): float(row[column])
            for row in self.lanes
            if row["run"] == run and float(row["lam"]) == lam and row[column]
        }

    def lams(self, run: str) -> list[float]:
        """Return the λs of a run of which a lane was measured, in ascending order."""
        return sorted({float(row["lam"]) for row in self.lanes if row["run"] == run})

    def members(self, run: str) -> int:
        """Return the number of members of a run that was measured."""
        return next(int(row["members"]) for row in self.lanes if row["run"] == run)

    def accuracy(self, run: str, lam: float, trial: int) -> tuple[Floats, Floats]:
        """Return numbers of dropped members (D,) and test accuracies (D,); empty if unknown."""
        rows = [
            (float(row["dropped"]), float(row["accuracy"]))
            for row in self.dropped
            if (row["run"], float(row["lam"]), int(row["trial"])) == (run, lam, trial)
        ]
        table = np.array(rows).reshape(-1, 2)
        return table[:, 0], table[:, 1]


def load(folder: Path) -> Measured:
    """Return what the tables in a folder contain."""
    return Measured(*(read(folder / name) for name in FILES.values()))
