"""Racing: further trials for the contenders that cannot be told apart.

The next trial is for the contender whose error may be the lowest: by the lower confidence bound of
its mean (Auer, Cesa-Bianchi and Fischer 2002), so that good contenders get many trials, and others
as few as show that they are not good. Contenders that are significantly worse get no more.
"""

from collections.abc import Sequence
from typing import Final

from jtdiag.advising.additive import fit
from jtdiag.advising.evidence import Evidence, weigh
from jtdiag.advising.screening import Objective

OPTIMISM: Final = 2.0
"""Standard errors by which the mean error of a contender may be lower than it seems."""


def contenders(names: Sequence[str], objective: Objective) -> list[str]:
    """Return the candidates that have at least one complete trial."""
    return [name for name in names if len(objective.known(name))]


def evidence(names: Sequence[str], objective: Objective, most: int) -> Evidence:
    """Weigh what is known of the contenders; nothing is trained."""
    return weigh({name: objective.known(name) for name in contenders(names, objective)}, most)


def race(names: Sequence[str], objective: Objective, most: int, baselines: Sequence[str]) -> None:
    """Give one more trial after the other to contenders, until one is left or all have enough.

    Args:
        names: Names of all candidates, which `screen` has reduced to contenders.
        objective: Their errors. What it raises ends the race.
        most: Most trials of a contender.
        baselines: Candidates that are contenders whatever their error, to be compared with.
    """
    for name in baselines:
        objective.errors(name, 1)
    while True:
        undecided = evidence(names, objective, most).undecided
        unfinished = [name for name in undecided if len(objective.known(name)) < most]
        if len(undecided) < 2 or not unfinished:
            return
        name = _most_promising(contenders(names, objective), unfinished, objective)
        objective.errors(name, len(objective.known(name)) + 1)


def _most_promising(every: Sequence[str], unfinished: Sequence[str], objective: Objective) -> str:
    """Return the contender with the lowest bound of its mean error, of those that are unfinished.

    Of equal ones, such as after a single trial of each, the one with the fewest trials.
    """
    fitted = fit({name: objective.known(name) for name in every})
    bound = dict(zip(every, fitted.mean - OPTIMISM * fitted.se, strict=True))
    return min(unfinished, key=lambda name: (bound[name], len(objective.known(name))))
