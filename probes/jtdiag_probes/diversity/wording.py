"""Sentences of the findings of the probes `diversity`, `collusion` and `variance`."""

import math
from typing import NamedTuple

from jtdiag import stats

DECIMALS = 6
"""Maximum number of decimals of a loss."""


class MeanSE(NamedTuple):
    """A mean over trials with its standard error; NaN for a single trial."""

    mean: float
    se: float

    def __str__(self) -> str:
        """Return "0.837 ± 0.012 nats": two significant digits of the standard error."""
        form = ".3g"
        if 0 < self.se < math.inf:  # False if NaN
            form = f".{min(max(1 - math.floor(math.log10(self.se)), 0), DECIMALS)}f"
        return stats.plus_minus(self.mean, self.se, form, "nats")


def _signed(number: float) -> str:
    return stats.signed(number, ".3g")


# --- diversity -----------------------------------------------------------------------------------


def worth(lam: float, member_loss: MeanSE, ensemble_loss: MeanSE, diversity: MeanSE) -> str:
    """State the losses on test and the diversity, which is their difference."""
    return (
        f"λ = {lam:g}: on test, the ensemble's loss is {ensemble_loss} and the mean loss of "
        f"its members is {member_loss}; the difference, {diversity}, is the diversity."
    )


def diverged(lam: float, trial: int, count: int, members: int, epoch: int) -> str:
    """State how many members of a lane diverged, and since which epoch."""
    whose = "its" if count == 1 else "their"
    return (
        f"λ = {lam:g}, trial {trial}: {count} of {members} members diverged, from epoch {epoch} "
        f"on: {whose} loss is not finite, and neither is the ensemble's. Lower train.lr at this λ "
        "or set train.clip (gradient clipping). Findings on other lanes are not affected."
    )


def joint_loss_differs(nats: float, limit: float) -> str:
    """State that the two forms of the joint loss disagree."""
    return _self_test("Eq. 4 and Eq. 5 differ", nats, limit)


def store_differs(nats: float, limit: float) -> str:
    """State that stored losses disagree with those recomputed from stored outputs."""
    return _self_test("stored losses and losses recomputed from stored outputs differ", nats, limit)


def _self_test(problem: str, nats: float, limit: float) -> str:
    return (
        f"Self-test failed: {problem} by {nats:.2g} nats (limit {limit:.0g}). Do not trust the "
        "numbers of this run; check its store."
    )


def not_finite(examples: int, lam: float, trial: int, epoch: int, split: str) -> str:
    """State that stored logits are not finite although the losses are.

    Args:
        examples: Number of such examples, over all lanes, epochs and splits.
        lam: λ with the most of them.
        trial: Trial with the most of them.
        epoch: Epoch with the most of them.
        split: Split with the most of them.
    """
    plural = "" if examples == 1 else "s"
    return (
        f"Self-test failed: the stored logits of {examples} example{plural} are not finite or too "
        f"large, although the losses are finite (most at λ = {lam:g}, trial {trial}, epoch "
        f"{epoch}, {split}). Logits beyond the range of keep.dtype overflow; if that is not the "
        "cause, check the store."
    )


# --- collusion -----------------------------------------------------------------------------------


def collusion(lam: float, added: float, loss_change: MeanSE, share: float, *, gained: bool) -> str:
    """State what the diversity added by joint training has done to the ensemble's loss.

    Args:
        lam: λ.
        added: Diversity on test minus that at λ = 0, in nats.
        loss_change: The ensemble's loss minus that at λ = 0 in the same trial.
        share: The reduction of the loss over the added diversity.
        gained: Whether the loss decreases by more than two standard errors, or, in a single trial,
            decreases at all.
    """
    size = MeanSE(abs(loss_change.mean), loss_change.se)
    change = f"{size} {'lower' if loss_change.mean < 0 else 'higher'}"
    if gained:
        name, change = "mostly learner collusion", f"{change}, {100 * share:.0f} % of that"
    else:
        name = "learner collusion"
        if math.isfinite(loss_change.se):
            change += " (not lower by more than two standard errors)"
    return (
        f"λ = {lam:g}: {name}: compared with λ = 0, the diversity on test is {added:.3g} nats "
        f"higher, but the members' mean loss is higher by about as much, and the ensemble's loss "
        f"is {change}. Use all members together, or a smaller λ."
    )


def offsets_and_dropping(
    lam: float, share: float, dropped: float, increase: float, predicted: float
) -> str:
    """State how much of the diversity is constant offsets, and what dropping members costs.

    Args:
        lam: λ.
        share: Share of the diversity on test that is constant offsets; may be negative.
        dropped: Fraction of the members that is dropped.
        increase: Increase of the loss, in nats.
        predicted: Increase that the diversity alone predicts, in nats.
    """
    if share > 0:
        inflation = (
            f"{100 * share:.0f} % of the diversity on test is constant offsets of the logits that "
            "cancel in the ensemble"
        )
    else:
        inflation = "the diversity on test is not inflated by constant offsets of the logits"
    return (
        f"λ = {lam:g}: {inflation}; dropping a random {100 * dropped:.0f} % of the members for "
        f"each example changes the ensemble's loss by {_signed(increase)} nats "
        f"({_signed(predicted)} nats predicted from the diversity alone)."
    )


def generalization_gap(
    lam: float, gap: float, reference: float, diversity_ratio: float, *, running_means: bool
) -> str:
    """State the difference between the ensemble's test loss and training loss.

    Args:
        lam: λ.
        gap: Test loss minus training loss, in nats.
        reference: The same at λ = 0; NaN if unknown.
        diversity_ratio: Diversity in training over that on test; NaN if unknown.
        running_means: Whether training values are running means over the epoch.
    """
    at_zero = f" ({_higher(reference)} at λ = 0)" if math.isfinite(reference) else ""
    ratio = ""
    if math.isfinite(diversity_ratio):
        ratio = f"; the diversity in training is {diversity_ratio:.2f} times that on test"
    note = ". Training values are running means over the epoch" if running_means else ""
    return (
        f"λ = {lam:g}: the ensemble's loss on test is {_higher(gap)} than in training"
        f"{at_zero}{ratio}{note}."
    )


def _higher(nats: float) -> str:
    return f"{abs(nats):.3g} nats {'higher' if nats >= 0 else 'lower'}"


# --- variance ------------------------------------------------------------------------------------


def terms(
    lam: float, trials: int, loss: MeanSE, bias: MeanSE, variance: MeanSE, diversity: MeanSE
) -> str:
    """State the decomposition of the expected loss; `trials` is 2 or more."""
    return (
        f"λ = {lam:g}: on test, over {trials} trials, the ensemble's expected loss, {loss}, is "
        f"the members' average bias, {bias}, plus their average variance, {variance}, "
        f"minus their diversity, {diversity}."
    )


def terms_change(
    lam: float,
    reference: float,
    *,
    loss: float,
    bias: float,
    variance: float,
    diversity: float,
    significant: bool,
) -> str:
    """State how the terms change from the smallest λ to the λ with the lowest expected loss.

    Args:
        lam: λ with the lowest expected loss.
        reference: The smallest λ.
        loss: Change of the expected loss, in nats.
        bias: Change of the average bias.
        variance: Change of the average variance.
        diversity: Change of the diversity.
        significant: Whether the change of the loss exceeds two standard errors.
    """
    note = "" if significant else " (less than two standard errors: not significant)"
    return (
        f"λ = {lam:g} has the lowest expected loss. Compared with λ = {reference:g} it changes by "
        f"{_signed(loss)} nats{note}: average bias {_signed(bias)}, average variance "
        f"{_signed(variance)}, diversity {_signed(diversity)}, which is subtracted."
    )


def terms_differ(nats: float, limit: float) -> str:
    """State that the terms do not add up to the loss."""
    return (
        "Self-test failed: bias plus variance minus diversity differs from the loss by "
        f"{nats:.2g} nats (limit {limit:.0g}). Do not trust these terms."
    )
