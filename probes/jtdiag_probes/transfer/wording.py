"""Sentences of the findings of the probe `transfer`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jtdiag.stats import Interval, listed, with_interval, with_power

Compared = Mapping[str, tuple[Interval, float]]
"""By ranking: a mean over trials with an interval that holds for all, and the difference that would
have been detected (NaN if there is none)."""

_TITLES = {
    "static": "the static ranking (the mean error over the other tasks)",
    "few labels": "heads with few labels",
}


@dataclass(frozen=True, kw_only=True)
class Context:
    """What is ranked."""

    sources: int
    tasks: int
    trials: int

    def counts(self, intervals: Mapping[str, Interval]) -> str:
        """Return what means, and intervals if there are any, are over."""
        tasks, trials = _count(self.tasks, "target task"), _count(self.trials, "trial")
        over = "; bootstrap intervals are over tasks"
        some = any(interval.exists for interval in intervals.values())
        return f"means over {tasks} and {trials}{over if some else ''}"


def ranking(context: Context, taus: Mapping[str, Interval]) -> str:
    """State how well each ranking agrees with the errors of new heads, the best first.

    Args:
        context: What is ranked.
        taus: Kendall's τ with bootstrap intervals over tasks.
    """
    texts = [f"{with_interval(tau, 'z.2f')} for {_title(name)}" for name, tau in taus.items()]
    return (
        f"Over {context.sources} sources (hidden layers of members at epochs after training has "
        "begun), Kendall's τ between a score and a small test error of a new head is "
        f"{listed(texts)} ({context.counts(taus)})."
    )


def regret(context: Context, regrets: Mapping[str, Interval], at_random: float) -> str:
    """State what choosing a source by each ranking costs.

    Args:
        context: What is ranked.
        regrets: In points of test error, with bootstrap intervals over tasks.
        at_random: The same for a source that is chosen at random.
    """
    texts = [
        f"{with_interval(cost, '.2f', 'points')} by {_title(n)}" for n, cost in regrets.items()
    ]
    return (
        "A new head on the source with the largest score has a larger test error than one on the "
        f"best source: {listed(texts)}; by chance, {at_random:.2f} points "
        f"({context.counts(regrets)})."
    )


def above_0(context: Context, compared: Compared) -> str:
    """State for which rankings τ is significantly different from 0."""
    above = [name for name, (tau, _) in compared.items() if tau.low > 0]
    below = [name for name, (tau, _) in compared.items() if tau.high < 0]
    rest = [name for name in compared if name not in above + below]
    parts = [f"significantly above 0 for {_titles(above)}"] if above else []
    parts += [f"significantly below 0 for {_titles(below)}"] if below else []
    parts += [f"not significantly different from 0 for {_titles(rest)}"] if rest else []
    return (
        f"For these tasks, the mean τ is {listed(parts)} ({_count(context.trials, 'trial')}). "
        "Above 0, a score ranks sources better than chance."
    )


def against_static(context: Context, compared: Compared) -> str:
    """State which scores rank sources better or worse than the static ranking."""
    higher = [name for name, (change, _) in compared.items() if change.low > 0]
    lower = [name for name, (change, _) in compared.items() if change.high < 0]
    beginning = "For these tasks, compared with the static ranking, the mean τ is "
    trials = f"{_count(context.trials, 'paired trial')}"
    if not higher and not lower:
        largest = max((power for _, power in compared.values()), default=math.nan)
        text = f"{beginning}not significantly different for any score"
        if largest < 2:  # τ is −1 to 1; also False for NaN
            text = f"{text}; {with_power(largest, '.2f')} for every score"
        return f"{text} ({trials})."

    def of_scores(which: Sequence[str]) -> str:
        changes = {name: with_interval(compared[name][0], "+z.2f") for name in which}
        return listed([f"{_title(name)} ({change})" for name, change in changes.items()])

    parts = [f"significantly higher for {of_scores(higher)}"] if higher else []
    parts += [f"significantly lower for {of_scores(lower)}"] if lower else []
    others = "" if len(higher + lower) == len(compared) else "; other differences are not"
    others += " significant" if others else ""
    return f"{beginning}{listed(parts)} ({trials}{others})."


def too_few_sources(context: Context, least: int) -> str:
    """State that there is nothing to rank."""
    sources = _count(context.sources, "source")
    text = (
        f"{sources} after training are too few to rank by a score; {least} are needed. Figure "
        "transfer ranks the sources of several runs together."
    )
    return text.replace("1 source after training are", "1 source after training is")


def nothing_differs(context: Context) -> str:
    """State that the sources cannot be ranked."""
    return (
        f"The {context.sources} sources cannot be ranked: new heads on all of them have the same "
        "test error in every target task."
    )


def too_few_trials(context: Context, least: int) -> str:
    """State that nothing is tested."""
    text = f"{_count(context.trials, 'trial')} are too few to test how well scores rank sources; "
    return f"{text}{least} are needed.".replace("1 trial are", "1 trial is")


def _title(name: str) -> str:
    return _TITLES.get(name, name)


def _titles(which: Sequence[str]) -> str:
    return listed([_title(name) for name in which])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + "s" * (number != 1)
