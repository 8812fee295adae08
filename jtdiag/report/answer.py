"""The answer: from results to the sentences that somebody who asked would want first.

Every sentence comes from the result of one probe; where that was not asked, its place says which
to ask. Differences come with their doubt, and one within the doubt is called so.
"""

import math
import shlex
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.report.evidence import Evidence
from jtdiag.report.tolerance import may_fail, worst_case
from jtdiag.stats import Interval, paired


@dataclass(frozen=True, kw_only=True)
class Part:
    """One question, and what is known of it."""

    question: str
    probe: str
    """Whose result answers it."""
    sentence: str = ""
    """Empty where the probe has not been asked."""
    short: str = ""
    """For the headline; without capital and full stop. Empty where it says too little."""
    alert: bool = False
    command: str = ""
    """What to type next, if there is something."""

    @property
    def known(self) -> bool:
        """Whether there is an answer."""
        return bool(self.sentence)


def answer(evidence: Evidence) -> list[Part]:
    """Return the parts of the answer of one run, in the order in which they are asked."""
    asks: tuple[tuple[str, str, Callable[[Evidence], Part | None]], ...] = (
        ("Does one member carry the ensemble?", "alerts", _carried),
        ("Which λ is best here?", "performance", _best),
        ("How many members may fail?", "robustness", _tolerance),
        ("What is diversity worth?", "performance", _diversity),
        ("Can its probabilities be believed?", "calibration", _calibration),
        ("How should the parameters be spent?", "robustness", _budget),
    )
    parts = []
    for question, probe, say in asks:
        if probe in evidence.without_meaning:
            continue
        part = say(evidence) if probe in evidence.results else None
        if part is not None or probe in evidence.missing:
            parts.append(part or Part(question=question, probe=probe))
    return parts


def headline(parts: list[Part]) -> str:
    """Return the short answers as one sentence; what is missing is left out."""
    said = "; ".join(part.short for part in parts if part.short)
    return f"{said[0].upper()}{said[1:]}." if said else "Nothing has been asked of this run yet."


# --- who carries ---------------------------------------------------------------------------------


def _carried(evidence: Evidence) -> Part | None:
    """Say at which λ one member leads the rest or none can stand alone, at the last epoch."""
    if evidence.members < 2:
        return None
    alerts = evidence.results["alerts"]
    led, together = (speaking(alerts, rule) for rule in ("dominance", "codependence"))
    sentences, shorts = [], []
    for found, short, said in (
        (led, "one member carries the ensemble", "one member carries the ensemble"),
        (
            together,
            "members work only together",
            "the members work only together, as one big model: alone, they know little",
        ),
    ):
        if found:
            where = listed([f"{lam:g}" for lam in found])
            often = listed([f"{count} of {of}" for count, of, _ in found.values()])
            since = min(epoch for _, _, epoch in found.values())
            shorts.append(f"{short} at λ = {where}")
            sentences.append(
                f"At λ = {where} {said} (at the last epoch, in {often} trials; first told after "
                f"epoch {since})."
            )
    others = [float(lam) for lam in alerts[names.LAM].values if lam not in {*led, *together}]
    if others:
        where = listed([f"{lam:g}" for lam in others])
        sentences.append(f"At λ = {where} no member carries the others.")
    return Part(
        question="Does one member carry the ensemble?",
        probe="alerts",
        sentence=" ".join([*sentences, *_effective(evidence)]),
        short=", ".join(shorts) or "no member carries the ensemble alone",
        alert=bool(led or together),
    )


def speaking(alerts: xr.Dataset, rule: str) -> dict[float, tuple[int, int, int]]:
    """Return where a rule speaks at the last sealed epoch of a lane, by λ.

    As trials in which it does, trials that are known, and the first epoch after which it spoke.

    Args:
        alerts: Result of the probe.
        rule: Its name.
    """
    at = alerts.sel(rule=rule)
    found = {}
    for lam in sorted(float(lam) for lam in alerts[names.LAM].values):
        spoke = at["spoke"].sel({names.LAM: lam}).transpose(names.TRIAL, names.EPOCH).values
        known = [row[np.isfinite(row)] for row in spoke]
        last = [row[-1] > 0 for row in known if row.size]
        if any(last):
            first = at["first_spoke"].sel({names.LAM: lam}).values
            found[lam] = (sum(last), len(last), int(first[first >= 0].min()))
    return found


def _effective(evidence: Evidence) -> list[str]:
    said = [
        (lam, found.number)
        for lam in sorted(evidence.run.recipe.lam)
        if (found := evidence.finding("dominance", "effective-members", lam)) is not None
    ]
    if not said:
        return []
    counts = listed([f"{number:.3g} at λ = {lam:g}" for lam, number in said])
    return [f"By shares of its logits, members count as {counts} (of {evidence.members})."]


# --- which λ -------------------------------------------------------------------------------------


def best_lam(performance: xr.Dataset) -> float | None:
    """Return the λ with the lowest mean test error of the ensemble; None where none is known."""
    mean = performance["ensemble_error_mean"].sel({names.SPLIT: names.TEST}).dropna(names.LAM)
    return float(mean[names.LAM].values[int(np.argmin(mean.values))]) if mean.size else None


def against(performance: xr.Dataset, best: float) -> dict[float, Interval]:
    """Return how much larger the error of every other λ is, over trials that both have.

    Trial t of every λ splits the data alike, sees it in one order and begins with the same
    weights, so the trials are pairs.
    """
    on_test = performance[names.ENSEMBLE_ERROR].sel({names.SPLIT: names.TEST})
    lowest = on_test.sel({names.LAM: best})
    found = {}
    for lam in sorted(float(lam) for lam in performance[names.LAM].values):
        differences = (on_test.sel({names.LAM: lam}) - lowest).dropna(names.TRIAL)
        if lam != best and differences.size:
            found[lam] = paired(differences.values)
    return found


def _best(evidence: Evidence) -> Part | None:
    performance = evidence.results["performance"]
    best = best_lam(performance)
    if best is None:
        return None
    lowest = error(performance, best)
    others = against(performance, best)
    doubtful = [lam for lam, interval in others.items() if not interval.significant]
    if not others:
        sentence = f"The test error of the ensemble is {lowest}, at the only λ, {best:g}."
        return Part(
            question="Which λ is best here?",
            probe="performance",
            sentence=sentence,
            short=f"the test error is {lowest} at λ = {best:g}",
        )
    short = f"λ = {best:g} is best here"
    if doubtful:
        short = f"λ = {best:g} has the lowest test error, {lowest}, {_beside(others, doubtful)}"
    said = [f"λ = {best:g} has the lowest test error of the ensemble, {lowest}."]
    said += [*_compared(performance, others, doubtful), *_measure(performance)]
    return Part(
        question="Which λ is best here?",
        probe="performance",
        sentence=" ".join([*said, *_rates(performance), *_one_big_model(evidence, best)]),
        short=short,
    )


def _beside(others: dict[float, Interval], doubtful: list[float]) -> str:
    if not any(interval.exists for interval in others.values()):
        return "in a single trial"
    return f"with λ = {listed([f'{lam:g}' for lam in doubtful])} within the doubt"


def _compared(
    performance: xr.Dataset, others: dict[float, Interval], doubtful: list[float]
) -> list[str]:
    """Say which λs are clearly worse and which may be as good."""
    if not any(interval.exists for interval in others.values()):
        return [
            "With a single trial nobody can tell whether other λs are worse by more than chance."
        ]
    trials = performance.sizes[names.TRIAL]
    clear = [lam for lam in others if lam not in doubtful]
    said = []
    if clear:
        worse = listed([_by(lam, others[lam]) for lam in clear])
        said.append(f"Clearly worse, paired over {trials} trials: {worse}.")
    if doubtful:
        equal = listed([_by(lam, others[lam]) for lam in doubtful])
        said.append(f"Within the doubt of {trials} paired trials: {equal}.")
    return said


def _one_big_model(evidence: Evidence, best: float) -> list[str]:
    """Say so where the best ensemble is none."""
    alerts = evidence.results.get("alerts")
    if alerts is None or evidence.members < 2 or best not in speaking(alerts, "codependence"):
        return []
    return ["There the members work only together: what is best here is one big model."]


def _by(lam: float, interval: Interval) -> str:
    mean, low, high = (f"{100 * end:+.2f}".replace("-", "−") for end in interval)
    if not interval.exists:
        return f"λ = {lam:g} (by {mean} points, the same in all trials: no interval)"
    return f"λ = {lam:g} (by {mean} points, 95 %: {low} to {high})"


def _measure(performance: xr.Dataset) -> list[str]:
    """Say what errors are where they are not counted."""
    measure = str(performance.attrs.get("error_measure", "fraction wrong"))
    return [] if measure == "fraction wrong" else [f"Errors are the {measure}."]


def _rates(performance: xr.Dataset) -> list[str]:
    if "lr" not in performance or len(set(performance["lr"].values.tolist())) < 2:
        return []
    return ["Learning rates differ among the λs, so a difference may be one of learning rates."]


def error(performance: xr.Dataset, lam: float, name: str = names.ENSEMBLE_ERROR) -> str:
    """Return an error on test in percent, with its standard error over trials."""
    at = performance.sel({names.LAM: lam, names.SPLIT: names.TEST})
    mean, se = 100 * float(at[f"{name}_mean"]), 100 * float(at[f"{name}_se"])
    return f"{mean:.1f}{f' ± {se:.1f}' if math.isfinite(se) else ''} %"


# --- how many may fail ---------------------------------------------------------------------------


def _at_best(evidence: Evidence, lams: xr.DataArray) -> float:
    """Return the best λ, or where it is not known or not among these, the lowest of these."""
    performance = evidence.results.get("performance")
    best = None if performance is None else best_lam(performance)
    return best if best is not None and best in lams.values else float(lams.min())


def _tolerance(evidence: Evidence) -> Part | None:
    """Say how many members may be missing at random at the best λ, and at the others."""
    if evidence.members < 2:
        return None
    result = evidence.results["robustness"].sel(subsets="shared")
    known = result["tolerated_fraction_mean"].dropna(names.LAM)
    if known.size == 0:
        return Part(
            question="How many members may fail?",
            probe="robustness",
            sentence="Not measured: the run has kept no outputs on test (see keep.outputs and "
            "keep.splits).",
        )
    best = _at_best(evidence, known[names.LAM])
    short, clause, _ = may_fail(result.sel({names.LAM: best}), evidence.members)
    others = [
        f"{may_fail(result.sel({names.LAM: lam}), evidence.members)[2]} at λ = {lam:g}"
        for lam in sorted(float(lam) for lam in known[names.LAM].values)
        if lam != best
    ]
    rest = f" At the other λs: {', '.join(others)}." if others else ""
    worst = worst_case(result.sel({names.LAM: best}))
    return Part(
        question="How many members may fail?",
        probe="robustness",
        sentence=f"At λ = {best:g} {clause}, if they fail at random.{worst}{rest}",
        short=short,
    )


# --- diversity, calibration, budget ---------------------------------------------------------------


def _diversity(evidence: Evidence) -> Part | None:
    performance = evidence.results["performance"]
    best = best_lam(performance)
    if evidence.members < 2 or best is None:
        return None
    at = performance.sel({names.LAM: best, names.SPLIT: names.TEST})
    worth, loss = float(at["diversity_mean"]), float(at["ensemble_loss_mean"])
    se = float(at["diversity_se"])
    doubt = f" ± {se:.2g}" if math.isfinite(se) else ""
    sentence = (
        f"At λ = {best:g} the ensemble's test loss, {loss:.3g} nats, is lower than its members' "
        f"mean by their diversity, {worth:.3g}{doubt} nats; its error is "
        f"{error(performance, best)}, the median member's "
        f"{error(performance, best, 'median_member_error')}."
    )
    told = evidence.finding("collusion", "pure-collusion", best)
    return Part(
        question="What is diversity worth?",
        probe="performance",
        sentence=sentence + (f" But {_lower(told.sentence)}" if told else ""),
    )


def _lower(sentence: str) -> str:
    """Return a finding's sentence to go on with, λ first as it is."""
    return sentence if sentence.startswith("λ") else f"{sentence[0].lower()}{sentence[1:]}"


def _calibration(evidence: Evidence) -> Part | None:
    lams = evidence.results["calibration"][names.LAM]
    best = _at_best(evidence, lams)
    found = evidence.finding("calibration", "calibration-error", best)
    if found is None:
        return None
    return Part(
        question="Can its probabilities be believed?",
        probe="calibration",
        sentence=found.sentence,
        alert=found.level == "alert",
    )


def _budget(evidence: Evidence) -> Part | None:
    """Say how much of the ensemble its accuracy needs, and what to try with the parameters."""
    best = _at_best(evidence, evidence.results["robustness"][names.LAM])
    partial = evidence.finding("robustness", "partial", best)
    if partial is None or evidence.members < 2:
        return None
    share = partial.number
    if share <= 0.5:
        advice = (
            "Most members add less than a point together: fewer or wider members of the same "
            "budget are worth a trial."
        )
    else:
        advice = (
            "Most members are needed: spend the budget on them, or on one network in their place."
        )
    return Part(
        question="How should the parameters be spent?",
        probe="robustness",
        sentence=f"{partial.sentence} {advice}",
        command=_plan(evidence),
    )


def _plan(evidence: Evidence) -> str:
    size = float(evidence.results["robustness"]["parameters_per_member"])
    recipe = evidence.run.recipe
    if recipe.members.arch not in ("mlp", "conv", "densenet") or not math.isfinite(size):
        return ""
    return (
        f"jtdiag budget --params {round(size * evidence.members)} --arch {recipe.members.arch} "
        f"--data {shlex.quote(recipe.data.name)} --members 1,{evidence.members}"
    )


def listed(items: list[str]) -> str:
    """Return items as in a sentence: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
