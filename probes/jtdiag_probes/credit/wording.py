"""Sentences of the findings of the probe `credit`."""

import math
from collections.abc import Mapping, Sequence

from jtdiag.names import lam_text
from jtdiag.stats import Interval, listed, with_interval, with_power

LISTED = 8
"""Modules up to which each is named in a sentence."""


def identical(lam: float) -> str:
    """State that both gradients are the same in all modules and epochs."""
    return (
        f"λ = {lam_text(lam)}: every module is given the gradient of backpropagation through all "
        "modules: at all measured epochs the cosine of both gradients is 1, and their norms "
        "are equal."
    )


def by_module(
    lam: float,
    epochs: Mapping[str, int],
    cosines: Mapping[str, Interval],
    ratios: Mapping[str, Interval],
    examples: int,
) -> str:
    """State how far the gradients that modules are given agree with the end-to-end ones.

    Args:
        lam: λ.
        epochs: The epoch of the checkpoints, by module.
        cosines: Means over trials by module.
        ratios: The same of the norms' ratios.
        examples: Number of training examples over which gradients are averaged.
    """
    same = len(set(epochs.values())) == 1
    after = f"after epoch {next(iter(epochs.values()))}, " if same else ""

    def of_modules(values: Mapping[str, Interval]) -> str:
        return _several(
            [
                f"{with_interval(value, 'z.2f')} at {name}{'' if same else _epoch(epochs[name])}"
                for name, value in values.items()
            ]
        )

    return (
        f"λ = {lam_text(lam)}: {after}the cosine between the gradient that a module is given and "
        f"the end-to-end gradient of L_λ is {of_modules(cosines)}; the norm of the former over "
        f"that of the latter is {of_modules(ratios)} (means over members; {examples:,} training "
        "examples)."
    )


def neighbours(lam: float, epoch: int, cosines: Mapping[str, Interval]) -> str:
    """State how far the gradients of a module's own loss and of the next one's agree.

    Args:
        lam: λ.
        epoch: Epoch of the checkpoints.
        cosines: Means over trials by module, without the head.
    """
    texts = [f"{with_interval(value, 'z.2f')} at {name}" for name, value in cosines.items()]
    return (
        f"λ = {lam_text(lam)}: after epoch {epoch}, the cosine between the gradients of a module's "
        f"own loss and of the next module's loss is {_several(texts)} (means over members). Where "
        "it is below 0, a small step that reduces the one increases the other."
    )


def given_nothing(lam: float, modules: Sequence[str]) -> str:
    """State which modules are given no gradient at any epoch."""
    verb = "is" if len(modules) == 1 else "are"
    return f"λ = {lam_text(lam)}: {_several(modules)} {verb} given no gradient by this credit."


def direction(
    lam: float,
    agreeing: Sequence[str],
    opposing: Sequence[str],
    undecided: Sequence[str],
    trials: int,
) -> str:
    """State at which modules the mean cosine is significantly above or below 0."""
    parts = []
    if agreeing:
        parts.append(f"significantly above 0 at {_several(agreeing)}")
    if opposing:
        parts.append(f"significantly below 0 at {_several(opposing)}")
    if undecided:
        parts.append(f"not significantly different from 0 at {_several(undecided)}")
    return (
        f"λ = {lam_text(lam)}: the mean cosine is {listed(parts)} ({trials} trials). A small step "
        "of a module reduces L_λ where its cosine is above 0, and increases it where it is below."
    )


def untested(lam: float, trials: int, needed: int) -> str:
    """State that there are too few trials to test the cosines."""
    few = "1 trial" if trials == 1 else f"{trials} trials"
    return (
        f"λ = {lam_text(lam)}: {few} cannot show whether the cosines differ from 0; at least "
        f"{needed} are needed."
    )


def changes(
    lam: float,
    epochs: Mapping[str, tuple[int, int]],
    by_name: Mapping[str, tuple[Interval, float]],
    trials: int,
) -> str:
    """State at which modules the cosine changes from the first to the last measured epoch.

    Args:
        lam: λ.
        epochs: Both epochs, by module.
        by_name: By module, the change and that which would have been detected; NaN if unknown.
        trials: Number of paired trials.
    """
    beginning = f"λ = {lam_text(lam)}: from the first to the last measured epoch of a module, "
    rises = [name for name, (change, _) in by_name.items() if change.low > 0]
    falls = [name for name, (change, _) in by_name.items() if change.high < 0]
    if not rises and not falls:
        largest = max((power for _, power in by_name.values()), default=math.nan)
        text = f"{beginning}the cosine does not change significantly"
        if math.isfinite(largest):
            text = f"{text}; {with_power(largest, 'z.2f')} at every module"
        return f"{text} ({trials} paired trials)."

    def of_modules(which: Sequence[str]) -> str:
        return _several(
            [
                f"{name} ({with_interval(by_name[name][0], '+z.2f')} from epoch "
                f"{epochs[name][0]} to {epochs[name][1]})"
                for name in which
            ]
        )

    parts = [f"rises at {of_modules(rises)}"] if rises else []
    parts += [f"falls at {of_modules(falls)}"] if falls else []
    others = "" if len(rises + falls) == len(by_name) else "; other changes are not significant"
    return f"{beginning}the cosine significantly {listed(parts)} ({trials} paired trials{others})."


def left(lam: float, epoch: int, shares: Mapping[str, Interval]) -> str:
    """State how large the end-to-end gradient is, relative to that before training.

    Args:
        lam: λ.
        epoch: Epoch of the checkpoints.
        shares: In percent, means over trials by module.
    """
    texts = [f"{with_interval(value, '.0f', '%')} at {name}" for name, value in shares.items()]
    return (
        f"λ = {lam_text(lam)}: after epoch {epoch}, the norm of the end-to-end gradient of L_λ, "
        f"relative to that at epoch 0, is {_several(texts)} (means over members)."
    )


def _epoch(epoch: int) -> str:
    return f" after epoch {epoch}"


def _several(texts: Sequence[str]) -> str:
    """Return texts as a list, of many modules the first and the last ones."""
    if len(texts) <= LISTED:
        return listed(texts)
    half = LISTED // 2
    left_out = f"({len(texts) - LISTED} modules not listed)"
    return listed([*texts[:half], left_out, *texts[-half:]])
