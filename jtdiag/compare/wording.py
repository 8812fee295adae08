"""Every sentence and table row of the comparison of two runs."""

from collections.abc import Iterable, Sequence

from jtdiag.compare.contract import BY_EXAMPLE, BY_GROUP, BY_TRIAL, POINTS, Difference, Field
from jtdiag.names import lam_text
from jtdiag.stats import listed, signed, with_power

FIELDS = ("field", "A", "B")
UNKNOWN = "unknown"
"""Value of a field of a run that was recorded from a user's training loop."""
RESULTS = ("λ", "on test", "A", "B", "B − A", "95 % interval")
SIGNIFICANT = "* The interval excludes 0."
NO_INTERVAL = (
    "No interval: there is only one trial, or all trials differ by the same amount. Train more "
    "trials, or keep the outputs of the selected epoch in both runs (keep.outputs, keep.splits)."
)


# --- rows ----------------------------------------------------------------------------------------


def field_rows(fields: Iterable[Field]) -> list[tuple[str, ...]]:
    """Return a row of text for each field that differs, under `FIELDS`."""
    return [(field.name, field.a, field.b) for field in fields]


def result_rows(differences: Iterable[Difference]) -> list[tuple[str, ...]]:
    """Return a row of text for each quantity and λ, under `RESULTS`."""
    return [_row(difference) for difference in differences]


def _row(difference: Difference) -> tuple[str, ...]:
    form, unit = (".2f", "%") if difference.unit == POINTS else (".4f", "nats")
    mean, low, high = (signed(end, form) for end in difference.interval)
    mark = "*" if difference.interval.significant else " "
    return (
        lam_text(difference.lam),
        f"{difference.quantity}, {unit}",
        f"{difference.a:{form}}".replace("-", "−"),
        f"{difference.b:{form}}".replace("-", "−"),
        mean,
        f"{low} to {high} {mark}" if difference.interval.exists else "none",
    )


# --- notes ---------------------------------------------------------------------------------------


def intervals(basis: str, count: int) -> str:
    """Return what the intervals are computed over, and what they cannot show.

    Args:
        basis: One of `BY_TRIAL`, `BY_GROUP`, `BY_EXAMPLE`, or "" where there is no interval.
        count: Trials or examples.
    """
    if basis == BY_TRIAL:
        return (
            f"Paired intervals (Student) over {count:,} trials: the seeds are the same, so trial t "
            "of both runs has the same data split. They estimate the difference for new trials of "
            "these recipes."
        )
    if basis == BY_GROUP:
        return (
            "Unpaired intervals (Welch) over trials: the seeds or the data are different, so "
            "trials cannot be paired."
        )
    if basis == BY_EXAMPLE:
        return (
            f"Paired intervals over {count:,} test examples: they compare two trained ensembles of "
            "one trial each, and do not include the variation between trainings. Train more "
            "trials to measure it."
        )
    return NO_INTERVAL


def simultaneous(lams: int) -> str:
    """Return for how many λs the intervals of a quantity hold together."""
    if lams == 1:
        return "Intervals have a level of 95 %."
    return f"The intervals of each quantity hold simultaneously for {lams} λs, at a level of 95 %."


def power(points: float) -> str:
    """Return how large a difference in ensemble error would have been detected, where none was.

    Args:
        points: In percentage points, at the λ where it is largest.
    """
    detectable = with_power(points, ".2f", "points")
    return f"No significant difference in ensemble error; at every λ that was tested, {detectable}."


def mcnemar(only_a: int, only_b: int, p: float, lams: int = 1) -> str:
    """Return McNemar's exact test: on how many examples only one of the runs is right.

    Args:
        only_a: Examples on which A is right and B is wrong.
        only_b: The reverse.
        p: Two-sided p-value.
        lams: λs that are tested; of several, p has to be smaller.
    """
    if only_a + only_b == 0:
        return "A and B are right on the same examples"
    needed = f", significant below {0.05 / lams:.2g} for {lams} λs" if lams > 1 else ""
    return (
        f"only A is right on {_examples(only_a)}, only B on {_examples(only_b)} (exact McNemar "
        f"test, p = {p:.2g}{needed})"
    )


def _examples(count: int) -> str:
    return f"{count:,} example{'' if count == 1 else 's'}"


def not_measured() -> str:
    """Return that no common λ has been trained in both runs."""
    return "No results to compare: no common λ has test errors in both runs yet."


def no_common_lam(a: Sequence[float], b: Sequence[float]) -> str:
    """Return that the runs have no λ in common, and which they have."""
    lams = [listed([lam_text(lam) for lam in of_run]) for of_run in (a, b)]
    return f"No results to compare: the runs have no λ in common (A: {lams[0]}; B: {lams[1]})."


def changed_data(name: str) -> str:
    """Return that data of the same name had another content when the other run was trained."""
    return (
        f"The runs were trained on different data under the same name ({name}), so differences "
        "also reflect the data."
    )


def different_tasks(data_a: str, measure_a: str, data_b: str, measure_b: str) -> str:
    """Return that the runs solve different tasks, so that their errors are not comparable."""
    return (
        f"The runs have different data or error measures (A: {data_a}, {measure_a}; B: {data_b}, "
        f"{measure_b}), so differences also reflect the tasks."
    )
