"""Sentences of the findings of the probe `modules`."""

from collections.abc import Mapping, Sequence

from jtdiag.names import lam_text
from jtdiag.stats import LEAST_TRIALS, Interval, listed, signed, with_interval

LISTED = 8
"""Modules up to which each is named in a sentence; of more, those with the largest numbers."""
HUGE = 1e4
"""Relative displacement from which powers of ten are written."""

ENSEMBLE = "test error of the ensemble"
MEMBERS = "mean test error of the members"
SINGLE = "test error of the member"

Ends = tuple[int, int]
"""First and last of the trials' last epochs with a checkpoint."""


def one_module() -> str:
    """State that there is nothing to compare."""
    return (
        "The members of this run are one module: they have no hidden layer, or cannot be cut, so "
        "that modules cannot be compared."
    )


def no_start() -> str:
    """State that modules cannot be set back to epoch 0."""
    return (
        "The run stores no checkpoints of epoch 0 and of a later epoch, so that no module can be "
        'set back to its start; train with keep.checkpoints = [0, "last"], or keep more.'
    )


def rewinding(
    lam: float,
    ends: Ends,
    what: str,
    error: Interval,
    changes: Mapping[str, Interval],
    *,
    own_statistics: Mapping[str, float],
    margin: float,
    trials: int,
) -> str:
    """State how the error changes if one module is set back to epoch 0.

    Args:
        lam: λ.
        ends: Last epochs.
        what: `ENSEMBLE`, `MEMBERS` or `SINGLE`.
        error: At the end, in percent.
        changes: By module, in points; the intervals hold for all modules together.
        own_statistics: The same with the statistics of BatchNorm of epoch 0; empty without
            BatchNorm.
        margin: A module whose loss is above this carries the network, in points.
        trials: Number of paired trials.
    """
    shown = _largest({name: change.mean for name, change in changes.items()})
    texts = [f"{with_interval(changes[n], '+.1f', 'points')} with {n}" for n in shown]
    again = ""
    if own_statistics:
        means = listed([f"{signed(own_statistics[n], '.1f')} points with {n}" for n in shown])
        again = (
            "Statistics of BatchNorm are estimated again after that; with those of epoch 0, the "
            f"error changes by {means}. "
        )
    return (
        f"λ = {lam_text(lam)}: after {_end(ends)}, the {what} is "
        f"{with_interval(error, '.1f', '%')}. If one module is set back to epoch 0, the error "
        f"changes by {listed(texts)}{_rest(len(changes) - len(shown))}. {again}"
        f"{_decided(changes, margin, trials)}"
    )


def _decided(changes: Mapping[str, Interval], margin: float, trials: int) -> str:
    """State which modules carry the network and which do not, if there are trials enough."""
    if trials < LEAST_TRIALS:
        return (
            f"Too few trials to test which modules carry the network ({trials}; at least "
            f"{LEAST_TRIALS} are needed)."
        )
    point = _points(margin)
    carrying = [n for n, change in changes.items() if change.low > margin]
    free = [n for n, change in changes.items() if change.exists and change.high < margin]
    rising = [n for n, change in changes.items() if 0 < change.low <= margin and n not in free]
    undecided = [n for n in changes if n not in (*carrying, *free, *rising)]
    parts = [f"no module is shown to cost more than {point}"]
    if carrying:
        verb = "this module carries" if len(carrying) == 1 else "these modules carry"
        parts = [f"setting back {_named(carrying)} costs more than {point}: {verb} the network"]
    if free:
        parts.append(f"{_named(free)} can be set back at a loss of less than {point}")
    if rising:
        more = f"whether by more than {point} is open"
        parts.append(f"with {_named(rising)}, the error rises significantly, but {more}")
    if undecided:
        loss = f"neither a rise nor a loss of less than {point}"
        parts.append(f"with {_named(undecided)}, {loss} can be shown")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]} ({trials} paired trials)."


def skill(
    lam: float,
    ends: Ends,
    shares: Mapping[str, Interval],
    effective: Interval,
    trials: tuple[int, int],
) -> str:
    """State which share of the skill of linear classifiers is first reached at each module.

    Args:
        lam: λ.
        ends: Last epochs.
        shares: In percent: the inputs first, then the modules.
        effective: Effective number of modules, over the trials in which a module adds something.
        trials: Number of those trials, and of all.
    """
    inputs, *modules = shares
    shown = _largest({name: shares[name].mean for name in modules})
    texts = [f"{with_interval(shares[n], '.1f', '%')} at {n}" for n in shown]
    adding, measured = trials
    text = (
        f"λ = {lam_text(lam)}: of the skill (error at chance level minus error) of linear "
        f"classifiers on frozen features after {_end(ends)}, "
        f"{with_interval(shares[inputs], '.1f', '%')} is reached on the inputs and, in addition, "
        f"{listed(texts)}{_rest(len(modules) - len(shown))}"
    )
    if not adding:
        return f"{text}. No module adds to what a linear classifier reaches on the inputs."
    where = (
        "" if adding == measured else f", in {adding} of {measured} trials; in the others none adds"
    )
    number = with_interval(effective, ".2g")
    return (
        f"{text}. By what they add, the effective number of modules is {number} of "
        f"{len(modules)}{where}."
    )


def stagnation(
    lam: float, ends: Ends, changes: Mapping[str, Interval], *, margin: float, trials: int
) -> str:
    """State at which modules the error of a linear classifier does not fall.

    Args:
        lam: λ.
        ends: Last epochs.
        changes: By module without the last: change of the error from the module before, or from
            the inputs, in points; the intervals hold for all modules together.
        margin: A fall by less than this counts as none, in points.
        trials: Number of paired trials.
    """
    rising = {n: c for n, c in changes.items() if c.low > 0}
    flat = {n: c for n, c in changes.items() if c.low > -margin and n not in rising}
    falling = {n: c for n, c in changes.items() if c.high < 0 and n not in flat}
    parts = []
    if falling:
        parts.append(f"falls significantly at {_each(falling)}")
    if rising:
        parts.append(f"rises significantly at {_each(rising)}")
    if flat:
        parts.append(f"falls by less than {_points(margin)}, if at all, at {_each(flat)}")
    undecided = [n for n in changes if not {n} & {*rising, *flat, *falling}]
    if undecided:
        parts.append(f"cannot be shown to fall or to stay at {_named(undecided)}")
    stagnant = [n for n in changes if n in rising or n in flat]
    verb = "stagnates" if len(stagnant) == 1 else "stagnate"
    end = ""
    if stagnant:
        end = (
            f" If a fall by less than {_points(margin)} counts as none, {_named(stagnant)} {verb}."
        )
    return (
        f"λ = {lam_text(lam)}: after {_end(ends)}, from one module to the next, beginning with the "
        f"inputs, the error of a linear classifier {listed(parts)} ({trials} paired trials).{end}"
    )


def displacement(lam: float, ends: Ends, relative: Mapping[str, Interval]) -> str:
    """State how far the modules have moved.

    Args:
        lam: λ.
        ends: Last epochs.
        relative: By module: distance from epoch 0 over the norm of the parameters at epoch 0.
    """
    shown = _largest({name: interval.mean for name, interval in relative.items()})
    huge = any(interval.mean >= HUGE for interval in relative.values())
    digits = ".2g" if huge else ".2f"  # weights may have grown beyond all use
    texts = [f"{with_interval(relative[n], digits)} at {n}" for n in shown]
    return (
        f"λ = {lam_text(lam)}: from epoch 0 to {_end(ends)}, relative to their norm at epoch 0, "
        f"the parameters of the modules move by {listed(texts)}"
        f"{_rest(len(relative) - len(shown))} (means over members)."
    )


def _end(ends: Ends) -> str:
    first, last = ends
    return f"epoch {last}" if first == last else f"the last kept epochs ({first} to {last})"


def _largest(means: Mapping[str, float]) -> list[str]:
    """Return the names with the largest means, in the order of the modules."""
    ranked = sorted(means, key=lambda name: -means[name])[:LISTED]
    return [name for name in means if name in ranked]


def _points(margin: float) -> str:
    return f"{margin:g} {'point' if margin == 1 else 'points'}"


def _rest(count: int) -> str:
    if not count:
        return ""
    return f" ({count} {'module' if count == 1 else 'modules'} with smaller numbers not listed)"


def _named(modules: Sequence[str]) -> str:
    if len(modules) <= LISTED:
        return listed(modules)
    return listed([*modules[: LISTED - 1], f"{len(modules) - LISTED + 1} others"])


def _each(changes: Mapping[str, Interval]) -> str:
    shown = _largest({name: abs(change.mean) for name, change in changes.items()})
    texts = [f"{n} ({with_interval(changes[n], '+.1f', 'points')})" for n in shown]
    return f"{listed(texts)}{_rest(len(changes) - len(shown))}"
