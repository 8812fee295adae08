"""The answers: which findings of which probes answer the questions that a reader has first.

Nothing is judged here. A question is answered by the finding of one rule at the best λ, where that
is measured, and by further findings that complete it.
"""

import math
import shlex
from dataclasses import dataclass

from jtdiag.probing import lane_states
from jtdiag.probing.findings import Finding
from jtdiag.report import layers, wording
from jtdiag.report.evidence import Evidence
from jtdiag.stats import listed


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question, and the findings that answer it."""

    text: str
    probe: str
    rules: tuple[str, ...]
    """The first of these that the probe has found is the answer."""
    details: tuple[tuple[str, str], ...] = ()
    """Further findings at the same λ, by probe and rule."""
    suggests_budget: bool = False
    """Whether the answer ends with a command that plans runs of the same budget."""
    layers_end_to_end: bool | None = None
    """Whether it is about runs whose layers are trained end to end, or others; None for all."""


QUESTIONS = (
    Question(
        text=wording.CARRIED,
        probe="alerts",
        rules=("carried",),
        details=(("dominance", "effective-members"), ("specialisation", "pattern")),
    ),
    Question(text=wording.BEST_LAM, probe="performance", rules=("best-lambda", "nothing-learned")),
    Question(
        text=wording.END_TO_END,
        probe="performance",
        rules=("end-to-end",),
        layers_end_to_end=True,
    ),
    Question(
        text=wording.JOINT, probe="performance", rules=("end-to-end",), layers_end_to_end=False
    ),
    Question(
        text=wording.TOLERANCE,
        probe="robustness",
        rules=("tolerance", "nothing-learned", "single-member", "nothing-kept"),
    ),
    Question(
        text=wording.DIVERSITY,
        probe="performance",
        rules=("diversity",),
        details=(("collusion", "pure-collusion"),),
    ),
    Question(text=wording.CALIBRATION, probe="calibration", rules=("calibration-error",)),
    Question(text=wording.BUDGET, probe="robustness", rules=("partial",), suggests_budget=True),
)
"""In the order of the page."""
SPOKEN = (
    (wording.CARRIED,),
    (wording.END_TO_END, wording.JOINT, wording.BEST_LAM),
    (wording.TOLERANCE,),
    (wording.DIVERSITY,),
    (wording.CALIBRATION,),
    (wording.BUDGET,),
)
"""Questions whose answers are a sentence each where a few sentences must do, in this order."""
MOST_SENTENCES = 3


@dataclass(frozen=True, kw_only=True)
class Part:
    """One question with its answer."""

    question: str
    probe: str
    """Whose result answers it."""
    findings: tuple[Finding, ...] = ()
    """None where the probe has not been run."""
    command: str = ""
    """What to run next, if anything."""

    @property
    def answered(self) -> bool:
        """Whether there is an answer."""
        return bool(self.findings)

    @property
    def sentence(self) -> str:
        """The sentences of its findings."""
        return " ".join(finding.sentence for finding in self.findings)

    @property
    def probes(self) -> list[str]:
        """Probes of its findings."""
        return list(dict.fromkeys(finding.probe for finding in self.findings))

    @property
    def source(self) -> str:
        """Where the answer is from."""
        if self.probe == lane_states.SOURCE:
            return "the metrics of every lane"
        return f"probe{'s' if len(self.probes) > 1 else ''} {listed(self.probes)}"

    @property
    def headline(self) -> str:
        """The headline of the answer; "" where it is a detail."""
        return self.findings[0].headline if self.findings else ""

    @property
    def alert(self) -> bool:
        """Whether a finding of the answer is an alert."""
        return any(finding.level == "alert" for finding in self.findings)


def answer(evidence: Evidence) -> list[Part]:
    """Return the questions that are answered or that a missing probe would answer, in order.

    Those on lanes that are not used come first.
    """
    parts = [
        Part(question=wording.LANES[finding.rule], probe=finding.probe, findings=(finding,))
        for finding in evidence.findings
        if finding.probe == lane_states.SOURCE
    ]
    for question in QUESTIONS:
        if question.probe in evidence.not_applicable:
            continue
        if question.layers_end_to_end not in (None, evidence.layers_end_to_end):
            continue
        findings = _findings(evidence, question)
        if findings or question.probe in evidence.missing:
            suggestion = _plan(evidence) if findings and question.suggests_budget else ""
            parts.append(
                Part(
                    question=question.text,
                    probe=question.probe,
                    findings=findings,
                    command=suggestion,
                )
            )
    about_layers = layers.of_run(evidence, best_lam(evidence))
    if about_layers:
        parts.append(
            Part(question=wording.LAYERS, probe=about_layers[0].probe, findings=about_layers)
        )
    return parts


def headline(parts: list[Part]) -> str:
    """Return the headlines of the answers as one sentence."""
    return wording.headline([part.headline for part in parts if part.headline])


def sentences(evidence: Evidence, most: int = MOST_SENTENCES) -> list[str]:
    """Return the first answers as headlines of findings, one sentence for each of `SPOKEN`.

    What was found at the best λ is followed by what was found at λ = 1, end-to-end training.

    Args:
        evidence: Of the run.
        most: Largest number of sentences.
    """
    by_question = {part.question: part for part in answer(evidence) if part.headline}
    groups = [[by_question[text] for text in texts if text in by_question] for texts in SPOKEN]
    spoken = [
        [text for part in group for text in (part.headline, *_at_lam_1(evidence, part))]
        for group in groups
        if group
    ]
    return [wording.headline(headlines) for headlines in spoken[:most]]


def lanes_not_used(evidence: Evidence) -> list[str]:
    """Return a sentence on each kind of lanes that are not complete or not used."""
    return [f.sentence for f in evidence.findings if f.probe == lane_states.SOURCE]


def _at_lam_1(evidence: Evidence, part: Part) -> list[str]:
    """Return the headline of the same question at λ = 1, if the part is about a smaller λ."""
    main = part.findings[0]
    if main.lam in (None, 1.0):
        return []
    rules = next(question.rules for question in QUESTIONS if question.text == part.question)
    at_end = (evidence.finding(part.probe, rule, 1.0) for rule in rules)
    return [finding.headline for finding in at_end if finding is not None and finding.headline]


def best_lam(evidence: Evidence) -> float | None:
    """Return the λ that the probe performance reports as best; None where it has not been run."""
    finding = evidence.first("performance", "best-lambda")
    return None if finding is None else finding.lam


def at_best_lam(evidence: Evidence, probe: str, rule: str) -> Finding | None:
    """Return a finding on the whole run, or at the best λ, or else at the lowest λ that has one."""
    for lam in (None, best_lam(evidence)):
        finding = evidence.finding(probe, rule, lam)
        if finding is not None:
            return finding
    return evidence.first(probe, rule)


def _findings(evidence: Evidence, question: Question) -> tuple[Finding, ...]:
    candidates = (at_best_lam(evidence, question.probe, rule) for rule in question.rules)
    main = next((finding for finding in candidates if finding is not None), None)
    if main is None:
        return ()
    lam = best_lam(evidence) if main.lam is None else main.lam
    details = (evidence.finding(probe, rule, lam) for probe, rule in question.details)
    return (main, *(finding for finding in details if finding is not None))


def _plan(evidence: Evidence) -> str:
    """Return the command that plans runs with as many parameters; "" where it cannot."""
    recipe = evidence.run.recipe
    robustness = evidence.results.get("robustness")
    size = math.nan if robustness is None else float(robustness["parameters_per_member"])
    # `jtdiag budget` plans for all classes of a data set.
    sizable = recipe.members.architecture.sizing is not None and not recipe.data.classes
    if not sizable or not math.isfinite(size):
        return ""
    return (
        f"jtdiag budget --params {round(size * evidence.members)} --arch {recipe.members.arch} "
        f"--data {shlex.quote(recipe.data.name)} --members 1,{evidence.members}"
    )
