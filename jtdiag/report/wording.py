"""Every sentence of the report that is composed from numbers and names.

Fixed text, such as headings, is in page.html. Conclusions are the findings of probes.
"""

import math
from collections.abc import Mapping, Sequence

from jtdiag.names import lam_text
from jtdiag.stats import (
    LEAST_TRIALS,
    Interval,
    listed,
    plus_minus,
    signed,
    with_interval,
    with_power,
)

LANES = {
    "diverged": "Did training diverge?",
    "nothing-learned": "Was anything learned?",
    "identical": "Do the members differ?",
    "unfinished": "Are all lanes complete?",
    "validation": "On which examples was it evaluated?",
}
"""Questions on the lanes of a run, by the rule that answers them."""
CARRIED = "Does one member carry the ensemble?"
BEST_LAM = "Which λ is best?"
END_TO_END = "Is end-to-end training worse than independent training?"
JOINT = "Is joint training of the members (λ = 1) worse than independent training?"
"""The same where layers are not trained end to end."""
LAYERS = "Which layers do the work?"
TOLERANCE = "How many members can fail?"
DIVERSITY = "What does diversity contribute?"
CALIBRATION = "Are the predicted probabilities calibrated?"
BUDGET = "How should the parameter budget be spent?"

NOT_MEASURED = "not measured"
NO_INTERVAL = "none"
LOWEST = "lowest"


# --- headlines -----------------------------------------------------------------------------------


def headline(parts: Sequence[str]) -> str:
    """Return the headlines of findings as one sentence."""
    if not parts:
        return "No probe has been run on this run yet."
    sentence = "; ".join(parts)
    return f"{sentence}." if sentence[0] == "λ" else f"{sentence[0].upper()}{sentence[1:]}."


def run_error(run: str, error: str, lam: float) -> str:
    """Return the lowest test error of a run, for a list."""
    return f"{run} {error} at λ = {lam_text(lam)}"


def run_lost(run: str, headline: str) -> str:
    """Return that lanes of a run diverged or have learned nothing, for a list."""
    return f"{run}: {headline}"


def runs_difference(better: str, difference: Interval) -> str:
    """Return how the lowest test errors of two runs differ; empty if there is no interval.

    Args:
        better: Name of the run with the lower error.
        difference: Its error minus that of the other, in percentage points.
    """
    if not difference.exists:
        return ""
    text = f"The difference is {with_interval(difference, '+.1f', 'points')}"
    if difference.significant:
        return f"{text}: {better} has the lower error."
    return f"{text}, which is not significant."


def runs_headline(errors: Sequence[str], lost: Sequence[str] = (), *, same_data: bool) -> str:
    """Return which runs diverged, and the lowest test errors of several runs.

    Args:
        errors: Of `run_error`, the lowest first.
        lost: Of `run_lost`; these come first.
        same_data: Whether all runs have the same data.
    """
    sentences = [f"{'; '.join(lost)}."] if lost else []
    if errors and same_data:
        sentences.append(f"Lowest test error of each run: {listed(errors)}.")
    elif errors:
        sentences.append(
            f"The runs have different data. Lowest test error of each: {listed(errors)}."
        )
    elif not lost:
        sentences.append(
            "The test errors of these runs are not measured yet: run the probe performance."
        )
    return " ".join(sentences)


def layers_together(
    run: str,
    reference: str,
    credit: str,
    higher: Mapping[float, Interval],
    lower: Mapping[float, Interval],
    other: Mapping[float, Interval],
    *,
    detectable: float,
    trials: int,
    comparisons: int,
) -> str:
    """Return whether layers had to be trained end to end, as far as the trials can show.

    Args:
        run: A run that trains layers otherwise.
        reference: The run that trains them end to end.
        credit: How the run trains them, such as "local, pred".
        higher: By λ, differences in points where the test error of the run is significantly higher.
        lower: The same where it is lower.
        other: The same where it is not significantly different.
        detectable: Difference that would have been detected at all λs in `other`; NaN if unknown.
        trials: Number of paired trials, the fewest of all λs.
        comparisons: Number of differences whose intervals hold together.
    """
    parts = [
        f"significantly {how} {_at_lams(lams)}"
        for how, lams in (("higher", higher), ("lower", lower))
        if lams
    ]
    if other:
        parts.append(f"not significantly different {_at_lams(other)}")
    text = f"Layers of {run} ({credit}) against end to end ({reference}): the test error is "
    text += f"{listed(parts)}."
    if higher:
        where = f"λ = {listed([lam_text(lam) for lam in higher])}"
        text += f" At {where}, layers had to be trained together to be as good, with these recipes."
    if other and math.isfinite(detectable):
        power = with_power(detectable, ".2f", "points")
        text += f" Where it is not significantly different, {power}."
    family = f"; intervals hold for all {comparisons} differences" if comparisons > 1 else ""
    return f"{text} {trials} paired trials{family}."


def _at_lams(differences: Mapping[float, Interval]) -> str:
    return listed(
        [
            f"at λ = {lam_text(lam)} ({with_interval(points, '+.2f', 'points')})"
            for lam, points in differences.items()
        ]
    )


# --- tables --------------------------------------------------------------------------------------

DIFFERENCES = (
    "Test error relative to the best λ, with simultaneous 95 % intervals over paired trials"
)
DIFFERENCE_HEADINGS = ("λ", "difference (points)", "95 % interval", "significantly worse")
CALIBRATION_HEADINGS = (
    "λ",
    "calibration error",
    "expected if calibrated",
    "after temperature scaling",
    "temperature",
    "Brier score",
)
RUNS = "Best λ of each run"
RUN_HEADINGS = (
    "run",
    "members",
    "best λ",
    "test error (mean ± SE over trials)",
    "robustness to missing members",
)


def performance_caption(trials: int) -> str:
    """Return the caption of the table of test errors."""
    return f"Test error at the epoch selected on validation, {_means(trials)}"


def removal_caption(trials: int) -> str:
    """Return the caption of the table of missing members."""
    return f"Test accuracy with missing members, {_means(trials)}"


def calibration_caption(trials: int) -> str:
    """Return the caption of the table of calibration."""
    return f"Calibration of the ensemble on test, {_means(trials)}"


def _means(trials: int) -> str:
    return "one trial" if trials == 1 else f"mean ± SE over {trials} trials"


def removal_headings(half: int, *, exact: bool) -> tuple[str, ...]:
    """Return the headings of the table of missing members.

    Args:
        half: How many members are missing in its middle columns.
        exact: Whether all subsets of the members were evaluated.
    """
    worst = "worst case" if exact else "worst case found"
    return (
        "λ",
        "all members",
        f"{half} missing at random",
        f"{half} missing, {worst}",
        "fraction missing at a drop of 1 point",
    )


def difference_row(
    lam: float, points: Interval, *, worse: bool, trials: int
) -> tuple[str, str, str, str]:
    """Return the row of a λ under `DIFFERENCE_HEADINGS`.

    Args:
        lam: The λ.
        points: How much higher its test error is than the lowest, in percentage points.
        worse: Whether it is significantly higher.
        trials: Paired trials behind it.
    """
    verdict = "yes" if worse else "no"
    if trials < LEAST_TRIALS:
        verdict = "too few trials"
    if not points.exists:
        return lam_text(lam), signed(points.mean), NO_INTERVAL, "not tested"
    return (
        lam_text(lam),
        signed(points.mean),
        f"{signed(points.low)} to {signed(points.high)}",
        verdict,
    )


def best_row(lam: float) -> tuple[str, str, str, str]:
    """Return the row of the best λ under `DIFFERENCE_HEADINGS`."""
    return lam_text(lam), LOWEST, "", ""


def versus(run: str, reference: str) -> str:
    """Return which runs are compared, as B and A."""
    return f"{run} (B) against {reference} (A)"


def recipes_caption(run: str, reference: str) -> str:
    """Return the caption of the table of recipe differences."""
    return f"Recipes: {versus(run, reference)}"


def results_caption(run: str, reference: str) -> str:
    """Return the caption of the table of result differences."""
    return f"Test results: {versus(run, reference)}"


# --- alternative text of figures -----------------------------------------------------------------


def figure_text(caption: str, bars: str, panels: Sequence[str], limit: int) -> str:
    """Return the alternative text of a figure, shortened at the end of a series if too long.

    Args:
        caption: First sentence of its caption.
        bars: What its error bars show; "" where that is not known.
        panels: Of `panel`.
        limit: Characters.
    """
    meaning = [f"In parentheses: {bars}."] if bars else []
    text = " ".join([caption, *meaning, *panels])
    if len(text) <= limit:
        return text
    return f"{text[:limit].rpartition('; ')[0]}; for more, see the tables and findings."


def panel(title: str, x: str, y: str, series: Sequence[str], omitted: int) -> str:
    """Return what one panel shows: its title, its axes and its series; "" for an empty one.

    Args:
        title: May be empty, as may the labels.
        x: Label of the horizontal axis.
        y: Label of the vertical axis.
        series: Of `few_points` or `many_points`.
        omitted: Number of other series.
    """
    axes = f"{y} against {x}" if x and y else y or x
    heading = ", ".join(part for part in (title, axes) if part)
    more = [f"{omitted} more line{'' if omitted == 1 else 's'}"] if omitted else []
    body = "; ".join([*series, *more])
    text = ": ".join(part for part in (heading, body) if part)
    return f"{text}." if text else ""


def point(y: float, ends: tuple[float, float], place: str) -> str:
    """Return one point of a series, "11.8 (11.5 to 12.1) at 0.9".

    Args:
        y: Its height.
        ends: Of its error bar; NaN for none.
        place: Of `at_tick`, `at_number`, `between` or `outside`.
    """
    low, high = ends
    bar = f" ({_number(low)} to {_number(high)})" if math.isfinite(low) else ""
    return f"{_number(y)}{bar} {place}"


def few_points(label: str, points: Sequence[str], lowest: str) -> str:
    """Return a series by all its points.

    Args:
        label: May be empty.
        points: Of `point`.
        lowest: Place of the lowest; "" where that is plain.
    """
    end = f", lowest {lowest}" if lowest else ""
    return f"{_named(label)}{', '.join(points)}{end}"


def many_points(label: str, first: str, last: str, lowest: str, highest: str) -> str:
    """Return a series by its ends and its extremes.

    Args:
        label: May be empty.
        first: Of `point`, as are the others.
        last: The other end.
        lowest: "" where it is an end.
        highest: "" where it is an end.
    """
    extremes = [
        f"{name} {text}" for name, text in (("lowest", lowest), ("highest", highest)) if text
    ]
    return f"{_named(label)}{', '.join([f'{first} to {last}', *extremes])}"


def at_number(x: float) -> str:
    """Return a place on the horizontal axis by its number."""
    return f"at {_number(x)}"


def at_tick(name: str) -> str:
    """Return a place on the horizontal axis by the name of its tick."""
    return f"at {name}"


def between(left: str, right: str) -> str:
    """Return a place between two named ticks."""
    return f"between {left} and {right}"


def outside(name: str) -> str:
    """Return a place beyond the first or last named tick."""
    return f"beyond {name}"


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _named(label: str) -> str:
    return f"{label} " if label else ""


# --- cells ---------------------------------------------------------------------------------------


def cell(mean: float, se: float, form: str = ".1f", unit: str = "%") -> str:
    """Return a mean with its standard error, or that it is not measured.

    Args:
        mean: NaN where it is not measured.
        se: NaN where there is none.
        form: Format of both.
        unit: Printed after them.
    """
    return plus_minus(mean, se, form, unit) if math.isfinite(mean) else NOT_MEASURED
