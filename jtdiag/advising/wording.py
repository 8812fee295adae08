"""The sentences of advice, as pure functions of plain values."""

from collections.abc import Sequence
from pathlib import Path

from jtdiag.names import lam_text
from jtdiag.printable import shell_word
from jtdiag.stats import LEAST_TRIALS, Interval, counted, listed, with_interval

CALIBRATION = "calibration"
LOST = "loss with a fifth of the members lost"
PARTIAL = "loss with two fifths of the members evaluated"
NO_EVIDENCE = (
    "There is not enough evidence for a recommendation: no candidate has a complete trial yet."
)
LIMIT = "The limit ended the search; the same command continues it."


def label(scheme: str, members: int, lam: float) -> str:
    """Return what a candidate is called, such as "16 members at λ = 0.9".

    Args:
        scheme: "single", "bagging", "independent" or "joint".
        members: Number of members.
        lam: Weight of the ensemble loss.
    """
    if scheme == "single":
        return "a single network"
    if scheme == "bagging":
        return f"{members} bagged members"
    if scheme == "independent":
        return f"{members} independent members"
    if lam == 1:
        return f"{members} members trained end to end"
    return f"{members} members at λ = {lam_text(lam)}"


def progress(name: str, *, trials: int, epoch: int, epochs: int, error: float) -> str:
    """Return what a training came to, as one line.

    Args:
        name: What the candidate is called.
        trials: Trials that it has now.
        epoch: Epochs of each that are trained.
        epochs: Epochs of a complete trial.
        error: Mean validation error, as a fraction.
    """
    extent = f"{epoch} of {epochs} epochs" if epoch < epochs else counted(trials, "trial")
    return f"{name}: validation error {100 * error:.2f} % after {extent}"


def recommended(name: str, error: Interval, trials: int) -> str:
    """Return what is recommended, and its validation error.

    Args:
        name: What the candidate is called.
        error: As a fraction, with its interval if there is one.
        trials: Trials behind it.
    """
    measured = with_interval(error.scaled(100), ".2f", "%")
    return f"Recommended: {name}, validation error {measured} in {counted(trials, 'trial')}."


def on_test(error: Interval, trials: int) -> str:
    """Return the test error of the recommended candidate."""
    measured = with_interval(error.scaled(100), ".2f", "%")
    return (
        f"Its test error, which the search did not use: {measured} in {counted(trials, 'trial')}."
    )


def against_single(difference: Interval) -> str:
    """Return how the recommended ensemble compares with a single network.

    Args:
        difference: Error of the single network minus that of the ensemble, as a fraction.
    """
    points = difference.scaled(100)
    if not points.exists:
        return (
            "Whether it is better than a single network is unknown: that takes "
            f"{LEAST_TRIALS} trials of both, beside the first."
        )
    text = with_interval(points, "+.2f", "points")
    if points.low > 0:
        return f"It is better than a single network, whose error differs by {text}."
    return f"It is not significantly better than a single network, whose error differs by {text}."


def undecided(names: Sequence[str]) -> str:
    """Return the contenders that are not significantly worse than the recommended one."""
    return (
        "There is not enough evidence to prefer it to all others; not significantly worse: "
        f"{listed(names)}."
    )


def decided(contenders: int) -> str:
    """Return that all other contenders are significantly worse."""
    if contenders == 1:
        return "No other candidate has a complete trial to compare it with."
    if contenders == 2:
        return "It is significantly better than the other contender."
    return f"It is significantly better than each of the {contenders - 1} other contenders."


def not_compared(dropped: int, untried: int, every: int) -> str:
    """Return how many candidates were not compared; empty if all were.

    Args:
        dropped: Candidates that were dropped within their first trial.
        untried: Candidates that were not trained at all.
        every: All candidates.
    """
    parts = [f"{dropped} were dropped within their first trial, without a test"] * (dropped > 0)
    parts += [f"{untried} were not trained"] * (untried > 0)
    return f"Of {counted(every, 'candidate')}, {listed(parts)}." if parts else ""


def better_at(quality: str, name: str, difference: Interval) -> str:
    """Return that a candidate that is not significantly worse is better at something.

    Args:
        quality: `CALIBRATION`, `LOST` or `PARTIAL`.
        name: What the candidate is called.
        difference: Its value minus that of the recommended one.
    """
    if quality == CALIBRATION:
        by = with_interval(difference.scaled(100), "+.2f", "points of calibration error")
        return f"Better calibrated: {name}, {by}."
    return f"Lower {quality}: {name}, {with_interval(difference, '+.3f', 'nats')}."


def none_better_at(qualities: Sequence[str]) -> str:
    """Return that the recommended candidate is not significantly surpassed in some respects."""
    return f"No other of these is significantly better in {listed(qualities)}."


def recipe_title(name: str, folder: Path) -> str:
    """Return the comment at the top of the recommended recipe."""
    return f"# {name[0].upper()}{name[1:]}: recommended by the search in {shell_word(folder)}."
