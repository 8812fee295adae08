"""Lanes of the study made by hand, for its tests."""

from early_warning_study import lanes as table
from early_warning_study.grid import EARLY, LENGTHS
from early_warning_study.judging import RULES
from early_warning_study.training import Row


def row(**changed: object) -> Row:
    """A lane at λ = 1 whose members stand alone."""
    values: dict[str, object] = {
        "data": "digits",
        "depth": 1,
        "width": 8,
        "members": 4,
        "rate": 0.01,
        "start": "equal",
        "decay": 0,
        "lam": 1,
        "trial": 0,
        "effective": 4,
        "train_ensemble": 0.1,
        "train_median": 0.1,
        "train_worst": 0.1,
    }
    for suffix in ("", *(f"_{epoch}" for epoch in LENGTHS)):
        values |= {f"test_{who}{suffix}": 0.1 for who in ("ensemble", "others", "best")}
    for epoch in EARLY:
        values |= {f"{who}_{epoch}": 0.1 for who in ("ensemble", "others", "best", "median")}
        values |= {f"diversity_{epoch}": 0.0, f"leads_{epoch}": 1, f"moved_{epoch}": 1.0}
    values |= dict.fromkeys(RULES, "0" * len(EARLY))
    return {name: str(value) for name, value in (values | changed).items()}


def lanes(*rows: Row) -> table.Lanes:
    return table.of_rows(list(rows))
