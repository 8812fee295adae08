"""What a report says about layers: which of them do the work, and whether they had to be together.

Nothing is judged here: sentences about one run are findings of probes, and differences between runs
are those of `from_end_to_end`. What was not measured is left out.
"""

from collections.abc import Iterator, Sequence

from jtdiag.compare.from_end_to_end import Gap, gaps
from jtdiag.probing.findings import Finding
from jtdiag.report import wording
from jtdiag.report.evidence import Evidence
from jtdiag.stats import LEAST_TRIALS

SAID = (
    (("modules", "rewinding-ensemble"), ("modules", "rewinding-member")),
    (("layers", "changes"), ("layers", "by-layer")),
    (("credit", "identical"), ("credit", "direction")),
)
"""Findings by probe and rule, the first of each row: which modules carry the network, where errors
of linear classifiers change, and whether modules were told what backpropagation tells them."""


def of_run(evidence: Evidence, lam: float | None) -> tuple[Finding, ...]:
    """Return the findings about layers at a λ, or else at the lowest λ with one.

    Args:
        evidence: Of the run.
        lam: The best λ; None if it is not known.
    """
    findings = (_first(evidence, rules, lam) for rules in SAID)
    return tuple(finding for finding in findings if finding is not None)


def _first(
    evidence: Evidence, rules: Sequence[tuple[str, str]], lam: float | None
) -> Finding | None:
    at_lam = (evidence.finding(probe, rule, lam) for probe, rule in rules)
    anywhere = (evidence.first(probe, rule) for probe, rule in rules)
    return next((finding for finding in (*at_lam, *anywhere) if finding is not None), None)


def of_runs(runs: Sequence[Evidence]) -> list[str]:
    """Return for each run whose layers are not trained end to end how it compares with one that is.

    Nothing is said of fewer than `LEAST_TRIALS` paired trials, or without a spread.
    """
    results = [
        (run.name, run.results["performance"]) for run in runs if "performance" in run.results
    ]
    measured = [gap for gap in gaps(results) if gap.trials >= LEAST_TRIALS and gap.points.exists]
    return [_sentence(list(own)) for own in _by_run(measured)]


def _by_run(measured: Sequence[Gap]) -> Iterator[Sequence[Gap]]:
    for run in dict.fromkeys(gap.run for gap in measured):
        yield [gap for gap in measured if gap.run == run]


def _sentence(own: Sequence[Gap]) -> str:
    higher = {gap.lam: gap.points for gap in own if gap.points.low > 0}
    lower = {gap.lam: gap.points for gap in own if gap.points.high < 0}
    other = [gap for gap in own if not gap.points.significant]
    return wording.layers_together(
        own[0].run,
        own[0].reference,
        own[0].credit,
        higher,
        lower,
        {gap.lam: gap.points for gap in other},
        detectable=max((gap.detectable for gap in other), default=float("nan")),
        trials=min(gap.trials for gap in own),
        comparisons=own[0].comparisons,
    )
