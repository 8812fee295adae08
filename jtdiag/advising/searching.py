"""The search: screening, then racing, until one candidate is left, all have enough, or a limit."""

from collections.abc import Sequence
from typing import Final, Literal

from jtdiag.advising.candidates import Candidate
from jtdiag.advising.racing import race
from jtdiag.advising.screening import Objective, screen
from jtdiag.advising.training import LimitReachedError

Ended = Literal["decided", "limit"]
MOST_TRIALS: Final = 10
"""Most trials of a contender."""


def search(
    every: Sequence[Candidate], objective: Objective, seed: int, most: int = MOST_TRIALS
) -> Ended:
    """Train candidates where that helps to tell which is best.

    What is learned is with the objective; `racing.evidence` weighs it.

    Args:
        every: The candidates. Single networks among them are compared with whatever their error.
        objective: Trains them.
        seed: Of the order in which they are screened.
        most: Most trials of a contender.

    Returns:
        "limit" if the objective's limit ended the search, and otherwise "decided": a contender is
        significantly better than all others, or none that is not has fewer than `most` trials.

    Raises:
        AdviceError: if Optuna is not installed.
        TrainingStopped: if the user has stopped it.
    """
    names = [candidate.name for candidate in every]
    baselines = [candidate.name for candidate in every if candidate.scheme == "single"]
    try:
        screen(names, objective, seed)
        race(names, objective, most, baselines)
    except LimitReachedError:
        return "limit"
    return "decided"
