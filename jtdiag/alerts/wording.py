"""Sentences of findings from the rules, and lines about alerts that could not be sent."""

from jtdiag.names import lam_text


def lane_sentence(
    observation: str,
    advice: str,
    *,
    epoch: int,
    lam: float | None = None,
    trial: int | None = None,
) -> str:
    """Return the sentence of a verdict on one lane.

    Args:
        observation: What the rule observed, without capital and full stop.
        advice: Complete sentences.
        epoch: Epoch after which the rule fired.
        lam: The lane's λ; None if unknown.
        trial: The lane's trial; None if there is only one.
    """
    trial_text = "" if trial is None else f"trial {trial}"
    return _sentence(_joined(lam, trial_text), f"after epoch {epoch}", observation, advice)


def trials_sentence(
    observation: str,
    advice: str,
    *,
    epoch: int,
    lam: float | None,
    trial: int,
    fired: int,
    trials: int,
) -> str:
    """Return the sentence of a rule that fired in some of several trials.

    Args:
        observation: What the rule observed in the trial in which it fired first.
        advice: Complete sentences.
        epoch: Epoch after which the rule fired in that trial.
        lam: λ of the trials; None if unknown.
        trial: The trial in which the rule fired first.
        fired: Trials in which the rule fired.
        trials: All trials.
    """
    where = _joined(lam, f"in {fired} of {trials} trials")
    return _sentence(where, f"after epoch {epoch} of trial {trial}", observation, advice)


def _joined(lam: float | None, text: str) -> str:
    return ", ".join(filter(None, ("" if lam is None else f"λ = {lam_text(lam)}", text)))


def _sentence(where: str, when: str, observation: str, advice: str) -> str:
    sentence = f"{when}, {observation}. {advice}"
    if where:
        sentence = f"{where}: {sentence}"
    return sentence if sentence.startswith("λ") else sentence[0].upper() + sentence[1:]


def message(run: str, level: str, trials: tuple[int, ...], sentence: str) -> str:
    """Return a finding as one line that names its run, for readers outside jtdiag.

    Args:
        run: Folder of the run.
        level: "alert" or "info".
        trials: Trials in which the rule fired; may be empty.
        sentence: Of the finding.
    """
    label = "trial" if len(trials) == 1 else "trials"
    trials_text = f", {label} {', '.join(map(str, trials))}" if trials else ""
    return f"{level.upper()} in {run}{trials_text}: {sentence}"


def not_sent(sink: str, reason: str) -> str:
    """Return the line about the first alert of a kind that could not be sent."""
    return (
        f"An alert was not sent to {sink}: {reason}. The run is not affected; further failures of "
        "this kind are not reported."
    )


def not_sent_total(sink: str, failed: int, total: int) -> str:
    """Return the line about all alerts that could not be sent."""
    return f"{sink}: {_count(failed, total)} {'was' if failed == 1 else 'were'} not sent."


def gave_up_waiting(sink: str, unsent: int, total: int) -> str:
    """Return the line about alerts that were still being sent when the wait ended."""
    pending = f"to send {_count(unsent, total)}" if unsent else "to close"
    return f"{sink}: gave up waiting for it {pending}."


def not_closed(sink: str, reason: str) -> str:
    """Return the line about a sink that failed while it was closed."""
    return f"{sink} could not be closed: {reason}."


def queue_full(waiting: int) -> str:
    """Return the reason why an alert was dropped."""
    return f"{waiting} alerts are already waiting"


def earlier_alerts_unknown(error: str) -> str:
    """Return the line about a resumed run whose earlier alerts could not be read."""
    return f"{error} Earlier alerts are unknown and may be repeated."


def not_recorded(error: str) -> str:
    """Return the line about findings that could not be written to the run's folder."""
    return f"{error} Training continues; the next alert tries again."


def _count(number: int, total: int) -> str:
    return f"{number} of {total} alert{'' if total == 1 else 's'}"
