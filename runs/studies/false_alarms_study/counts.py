"""False alarms of each rule in the zoo, with exact intervals."""

from dataclasses import dataclass
from pathlib import Path

from early_warning_study.training import Row, read
from false_alarms_study.zoo import RULES, TOO_LARGE, diverging, everything
from jtdiag.stats import clopper_pearson

ASKED = 3
"""Epoch by which at most one alarm in twenty healthy lanes is tolerated."""


@dataclass(frozen=True)
class FalseAlarms:
    """How many healthy lanes a rule alarms."""

    rule: str
    lanes: int
    """Healthy ones, for this rule."""
    early: int
    """Of these, alarmed by epoch `ASKED`."""
    ever: int
    """Alarmed by the last epoch."""

    @property
    def early_interval(self) -> tuple[float, float]:
        """Exact 95 % interval of the share alarmed by epoch `ASKED`."""
        low, high = clopper_pearson(self.early, self.lanes)
        return float(low), float(high)

    @property
    def ever_interval(self) -> tuple[float, float]:
        """Exact 95 % interval of the share alarmed by the last epoch."""
        low, high = clopper_pearson(self.ever, self.lanes)
        return float(low), float(high)


def load(file: Path) -> list[Row]:
    """Return the rows of a table that `training` wrote."""
    return read(file)


def counted(row: Row, rule: str) -> bool:
    """Return whether a lane is healthy for a rule, so that its alarm would be false.

    Over-capacity is right where members fit the training set at the end, and divergence where
    losses are not finite then; such lanes are not counted for these rules.
    """
    if rule not in _COUNTED[row["kind"]]:
        return False
    if rule == "over-capacity":
        return row["fits"] == "0"
    return rule != "divergence" or row["finite"] == "1"


def by_rule(table: list[Row]) -> list[FalseAlarms]:
    """Return the false alarms of every rule in some rows."""
    return [_of_rule(rule, [row for row in table if counted(row, rule)]) for rule in RULES]


def by_kind(table: list[Row]) -> dict[str, list[FalseAlarms]]:
    """Return the false alarms of every rule for each kind of lane."""
    kinds = dict.fromkeys(row["kind"] for row in table if row["kind"] != TOO_LARGE)
    return {kind: by_rule([row for row in table if row["kind"] == kind]) for kind in kinds}


def divergence_found(table: list[Row]) -> FalseAlarms:
    """Return the right alarms of divergence: in lanes that too large a rate has broken."""
    broken = [row for row in table if row["kind"] == TOO_LARGE and row["broken"] == "1"]
    return _of_rule("divergence", broken)


def _of_rule(rule: str, rows: list[Row]) -> FalseAlarms:
    epochs = [int(row[rule]) for row in rows]
    early = sum(0 < epoch <= ASKED for epoch in epochs)
    return FalseAlarms(rule, len(rows), early, sum(epoch > 0 for epoch in epochs))


_COUNTED = {run.kind: run.counted for run in (*everything(), *diverging())}
