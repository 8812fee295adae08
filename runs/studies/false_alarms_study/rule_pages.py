"""The accuracy of each rule for its page: false alarms in the zoo, detection in the study."""

from pathlib import Path

from early_warning_study import questions
from early_warning_study.lanes import Lanes
from early_warning_study.questions import CLAIM
from early_warning_study.roc import Estimate
from early_warning_study.training import Row
from false_alarms_study import counts
from false_alarms_study.counts import ASKED, FalseAlarms

_KINDS = {
    "dominance": "that ended dominated",
    "codependence": "that ended codependent",
    "stagnation": "in which a member had learned nothing at the end",
    "diversity-explosion": "whose members had failed at the end, by dominance or codependence",
    "over-capacity": "whose median member fitted the training set at the end",
}
"""Lanes that a rule should find, as the end of "lanes …"."""


def write(docs: Path, lanes: Lanes, table: list[Row]) -> None:
    """Write the accuracy of each rule into its page in a folder of pages."""
    for rule, paragraph in paragraphs(lanes, table).items():
        file = docs / f"{rule}.md"
        file.write_text(replaced(file.read_text("utf-8"), rule, paragraph), "utf-8")


def replaced(page: str, rule: str, paragraph: str) -> str:
    """Return a page with the paragraph between its two comments.

    Raises:
        ValueError: if the page has no marker.
    """
    before, begin, rest = page.partition(f"<!-- rates: {rule} -->\n")
    _, end, after = rest.partition("\n<!-- end -->")
    if not end:
        raise ValueError(f"the page of {rule} has no marker: <!-- rates: {rule} -->")
    return f"{before}{begin}\n{paragraph}\n{end}{after}"


def paragraphs(lanes: Lanes, table: list[Row]) -> dict[str, str]:
    """Return by rule how often it is right, in Markdown."""
    return {
        alarms.rule: f"{_false_alarms(alarms)}\n\n{_detection(alarms.rule, lanes, table)}"
        for alarms in counts.by_rule(table)
    }


def _false_alarms(alarms: FalseAlarms) -> str:
    return (
        f"**False alarms:** by epoch {ASKED}, in {alarms.early} of {alarms.lanes} [lanes with "
        f"which nothing is wrong](../early-diagnosis.md#false-alarms), "
        f"{_exact(alarms.early, alarms.lanes, alarms.early_interval)}; by the last epoch, in "
        f"{alarms.ever}."
    )


def _detection(rule: str, lanes: Lanes, table: list[Row]) -> str:
    if rule == "divergence":
        alarms = counts.divergence_found(table)
        return (
            f"**Detection:** of {alarms.lanes} lanes that too large a learning rate had broken (at "
            "the end, losses were not finite or nothing had been learned), it fires in "
            f"{alarms.early} by epoch {ASKED}, "
            f"{_exact(alarms.early, alarms.lanes, alarms.early_interval)}, and in {alarms.ever} by "
            "the last epoch."
        )
    early, late = (questions.detection(lanes, rule, epoch) for epoch in (CLAIM, 10))
    return (
        f"**Detection:** in the [study](../early-diagnosis.md), it fires after epoch {CLAIM} in "
        f"{early.right} of {early.positives} lanes {_KINDS[rule]}, {_clustered(early)}, and in "
        f"{early.alarms - early.right} of {early.negatives} others; after epoch 10, in "
        f"{late.right} and {late.alarms - late.right}."
    )


def _exact(alarms: int, lanes: int, interval: tuple[float, float]) -> str:
    low, high = (100 * end for end in interval)
    return f"{100 * alarms / lanes:.1f} % (exact 95 % interval {low:.1f} to {high:.1f} %)"


def _clustered(detected: questions.Detection) -> str:
    recall: Estimate = detected.clustered.recall
    if not recall.low < recall.high:  # all lanes agree: resampling them shows no spread
        return _exact(detected.right, detected.positives, detected.exact_recall)
    return (
        f"{100 * recall.value:.0f} % (95 % interval over configurations {100 * recall.low:.0f} to "
        f"{100 * recall.high:.0f} %)"
    )
