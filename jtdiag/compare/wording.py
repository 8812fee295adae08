"""What two runs differ in, as rows of text and as sentences, for whoever prints them."""

from collections.abc import Iterable

from jtdiag import names
from jtdiag.compare.runs import BY_EXAMPLE, BY_GROUP, BY_TRIAL, POINTS, Difference, Field, shared
from jtdiag.store.run import Run

FIELDS = ("field", "A", "B")
RESULTS = ("λ", "on test", "A", "B", "B − A", "95 % interval")
CLEAR = "*: the interval leaves 0 out."

DOUBTS = {
    BY_TRIAL: "Intervals are Student's over the differences of {count} paired trials (the seeds "
    "match, so that trial t of both has the same split of the data); they tell what other trials "
    "of these recipes would give.",
    BY_GROUP: "Intervals are Welch's over trials; seeds or data differ, so that trials are not "
    "paired.",
    BY_EXAMPLE: "Intervals are over {count} test examples, paired between two trained ensembles of "
    "one trial each; they cannot tell what training again would change. Train with more trials to "
    "know.",
    "": "Where there is no interval, a single trial, or trials that all differ alike, say nothing "
    "of chance. More trials, or outputs of the chosen epoch in both runs (keep.outputs, "
    "keep.splits), would give one.",
}


def field_rows(fields: Iterable[Field]) -> list[tuple[str, ...]]:
    """Return a row of text for each field that differs, under `FIELDS`."""
    return [(one.name, one.a, one.b) for one in fields]


def result_rows(found: Iterable[Difference]) -> list[tuple[str, ...]]:
    """Return a row of text for each quantity and λ, under `RESULTS`."""
    return [_row(one) for one in found]


def _row(one: Difference) -> tuple[str, ...]:
    form, unit = (".2f", "%") if one.unit == POINTS else (".4f", "nats")
    mean, low, high = (f"{end:+{form}}".replace("-", "−") for end in one.interval)
    return (
        f"{one.lam:g}",
        f"{one.quantity}, {unit}",
        f"{one.a:{form}}",
        f"{one.b:{form}}",
        mean,
        f"{low} to {high} {'*' if one.interval.significant else ' '}"
        if one.interval.exists
        else "none",
    )


def notes(a: Run, b: Run, found: Iterable[Difference]) -> list[str]:
    """Return what must be known to read the differences: which doubt is used, and what it lacks."""
    found = list(found)
    said = []
    if not found:
        said.append(_nothing(a, b))
    if a.recipe.data.name != b.recipe.data.name or a.error_measure != b.error_measure:
        said.append(
            f"The runs are of different data or errors ({a.recipe.data.name}, {a.error_measure}; "
            f"{b.recipe.data.name}, {b.error_measure}): a difference is one of tasks, too."
        )
    for doubt in dict.fromkeys(one.doubt for one in found):
        counts = [one.count for one in found if one.doubt == doubt]
        said.append(DOUBTS[doubt].format(count=f"{max(counts):,}"))
    said += [f"λ = {one.lam:g}: {one.note}." for one in found if one.note]
    said += [CLEAR] if any(one.interval.significant for one in found) else []
    return said


def _nothing(a: Run, b: Run) -> str:
    if shared(a, b):
        return f"Of the λ that both runs have, {names.TEST} errors are not known in both yet."
    lams = [", ".join(f"{lam:g}" for lam in run.recipe.lam) for run in (a, b)]
    return f"The runs have no λ in common (A: {lams[0]}; B: {lams[1]}), so no results are compared."
