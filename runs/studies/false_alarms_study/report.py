"""The zoo's counts as Markdown."""

from early_warning_study.training import Row
from false_alarms_study import counts
from false_alarms_study.counts import FalseAlarms
from study_page import markdown


def tables(table: list[Row]) -> dict[str, str]:
    """Return every table of the page by its name."""
    return {
        "false-alarms": by_rule(table),
        "false-alarms-by-kind": by_kind(table),
        "divergence": divergence(table),
    }


def by_rule(table: list[Row]) -> str:
    """Return the false alarms of each rule with their intervals."""
    body = [
        [
            f"`{alarms.rule}`",
            str(alarms.lanes),
            share(alarms.early, alarms.lanes, alarms.early_interval),
            share(alarms.ever, alarms.lanes, alarms.ever_interval),
        ]
        for alarms in counts.by_rule(table)
    ]
    return markdown(["rule", "lanes", f"by epoch {counts.ASKED}", "by the last epoch"], body)


def by_kind(table: list[Row]) -> str:
    """Return the false alarms of each rule by kind of lane: by the early epoch, and ever."""
    body = []
    for kind, alarms in counts.by_kind(table).items():
        lanes = sum(row["kind"] == kind for row in table)
        body.append([kind, str(lanes), *(_early_and_ever(rule) for rule in alarms)])
    return markdown(["lanes", "number", *(f"`{rule}`" for rule in counts.RULES)], body)


def divergence(table: list[Row]) -> str:
    """Return in how many of the lanes with too large a rate that broke divergence fired."""
    alarms = counts.divergence_found(table)
    body = [
        [
            str(alarms.lanes),
            share(alarms.early, alarms.lanes, alarms.early_interval),
            share(alarms.ever, alarms.lanes, alarms.ever_interval),
        ]
    ]
    return markdown(["lanes broken", f"found by epoch {counts.ASKED}", "found ever"], body)


def share(alarms: int, lanes: int, interval: tuple[float, float]) -> str:
    """Return a share in per cent with its interval, and the counts."""
    low, high = (100 * end for end in interval)
    if not lanes:
        return "–"
    return f"{100 * alarms / lanes:.1f} % ({low:.1f} to {high:.1f} %), {alarms} of {lanes}"


def _early_and_ever(alarms: FalseAlarms) -> str:
    return f"{alarms.early}, {alarms.ever}" if alarms.lanes else "–"
