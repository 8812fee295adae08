"""Sentences of the findings of the probes `diversity`, `collusion` and `variance`."""

import math

from jtdiag.names import lam_text
from jtdiag.stats import Interval, signed, with_interval

DECIMALS = 6
"""Maximum number of decimals of a loss."""


def _nats(interval: Interval, *, sign: bool = False) -> str:
    """Return "0.837 nats (95 % interval 0.81 to 0.86 nats)": two digits of half the interval."""
    form = ".3g"
    reach = (interval.high - interval.low) / 2
    if 0 < reach < math.inf:  # False if NaN
        form = f".{min(max(1 - math.floor(math.log10(reach)), 0), DECIMALS)}f"
    return with_interval(interval, f"+{form}" if sign else form, "nats")


def _signed(number: float) -> str:
    return signed(number, ".3g")


def _power(detectable: float) -> str:
    """Return what would have been detected; "" where nothing could be tested."""
    if not math.isfinite(detectable):
        return ""
    return (
        f"; a difference of {detectable:.2g} nats would have been detected with a probability "
        "of 80 %"
    )


# --- diversity -----------------------------------------------------------------------------------


def worth(
    lam: float,
    member_loss: Interval,
    ensemble_loss: Interval,
    diversity: Interval,
    *,
    diverged: int = 0,
) -> str:
    """State the losses on test and the diversity, which is their difference.

    Args:
        lam: λ.
        member_loss: Mean loss of the members.
        ensemble_loss: Loss of the ensemble.
        diversity: The former minus the latter.
        diverged: Number of trials that are left out because a member diverged.
    """
    trials = "1 trial" if diverged == 1 else f"{diverged} trials"
    note = f" Without {trials} in which a member diverged." if diverged else ""
    return (
        f"λ = {lam_text(lam)}: on test, the ensemble's loss is {_nats(ensemble_loss)} and the "
        "mean loss of "
        f"its members is {_nats(member_loss)}; the difference, {_nats(diversity)}, is the "
        f"diversity.{note}"
    )


def identical(lam: float) -> str:
    """State that the members' losses are those of the ensemble: there is no diversity."""
    return (
        f"λ = {lam_text(lam)}: on test, the members predict the same up to rounding, so there is "
        "no diversity to judge. Members are identical if members.factory sets a seed."
    )


def diverged(lam: float, trial: int, count: int, members: int, epoch: int) -> str:
    """State how many members of a lane diverged, and since which epoch."""
    whose = "its" if count == 1 else "their"
    problem = (
        f"{count} of {members} members diverged, from epoch {epoch} on: {whose} loss is not "
        "finite, and neither is the ensemble's"
    )
    if members == 1:
        problem = f"training diverged, from epoch {epoch} on: the loss is not finite"
    return (
        f"λ = {lam_text(lam)}, trial {trial}: {problem}. Lower train.lr at this λ or set "
        "train.clip "
        "(gradient clipping). Findings on other lanes are not affected."
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
        f"large, although the losses are finite (most at λ = {lam_text(lam)}, trial {trial}, epoch "
        f"{epoch}, {split}). Logits beyond the range of keep.dtype overflow; if that is not the "
        "cause, check the store."
    )


# --- collusion -----------------------------------------------------------------------------------


def collusion(
    lam: float, added: Interval, loss_change: Interval, limit: float, share: float
) -> str:
    """State that hardly any of the diversity added by joint training lowers the ensemble's loss.

    Args:
        lam: λ.
        added: Diversity on test minus that at λ = 0.
        loss_change: The ensemble's loss minus that at λ = 0.
        limit: Share of the added diversity that is tested, 0 to 1.
        share: Share by which the loss is lower, if it is significantly lower; else NaN.
    """
    much = "mostly learner collusion" if share > 0 else "learner collusion"
    reduction = f", a reduction by {100 * share:.1f} % of that" if share > 0 else ""
    return (
        f"λ = {lam_text(lam)}: {much}: compared with λ = 0, the diversity on test changes by "
        f"{_nats(added, sign=True)}, and the ensemble's loss by {_nats(loss_change, sign=True)}"
        f"{reduction}. The loss is lower by less than {100 * limit:.0f} % of the added diversity, "
        "because the members' mean loss is higher by the rest."
    )


def added_diversity(
    lam: float,
    added: Interval,
    loss_change: Interval,
    *,
    trials: int,
    detectable: float,
) -> str:
    """State how diversity and the ensemble's loss differ from λ = 0 where no collusion is shown.

    Args:
        lam: λ.
        added: Diversity on test minus that at λ = 0.
        loss_change: The ensemble's loss minus that at λ = 0.
        trials: Number of trials in common with λ = 0.
        detectable: Difference of the loss that would have been detected; NaN for none.
    """
    if trials == 1:
        verdict = "A single trial cannot show whether the members collude"
    elif not loss_change.exists:
        verdict = "Trials without spread cannot show whether the members collude"
    elif loss_change.significant:
        verdict = "Collusion of the members was not detected"
    else:
        verdict = f"Neither collusion nor a change of the loss was detected{_power(detectable)}"
    return (
        f"λ = {lam_text(lam)}: compared with λ = 0, the diversity on test changes by "
        f"{_nats(added, sign=True)}, and the ensemble's loss by {_nats(loss_change, sign=True)}. "
        f"{verdict}."
    )


def offsets_and_dropping(
    lam: float,
    change: Interval,
    *,
    dropped: int,
    members: int,
    increase: Interval,
    predicted: Interval,
) -> str:
    """State how much of the diversity is constant offsets, and what dropping members costs.

    Args:
        lam: λ.
        change: Relative change of the diversity on test without the offsets; may be positive.
        dropped: Number of members that are dropped.
        members: Ensemble size, M.
        increase: Increase of the loss, in nats.
        predicted: Increase that the diversity alone predicts, in nats.
    """
    percent = with_interval(change.scaled(100), "+.0f", "%")
    return (
        f"λ = {lam_text(lam)}: without the members' constant offsets of the logits, which cancel "
        "in the "
        f"ensemble, the diversity on test changes by {percent}; dropping {dropped} of {members} "
        f"members at random for each example changes the ensemble's loss by "
        f"{_nats(increase, sign=True)}, where the diversity alone predicts "
        f"{_nats(predicted, sign=True)}."
    )


def generalization_gap(
    lam: float,
    gap: Interval,
    reference: Interval | None,
    diversity_ratio: float,
    *,
    running_means: bool,
) -> str:
    """State the difference between the ensemble's test loss and training loss.

    Args:
        lam: λ.
        gap: Test loss minus training loss.
        reference: The same at λ = 0; None if unknown.
        diversity_ratio: Diversity in training over that on test; NaN if unknown.
        running_means: Whether training values are running means over the epoch.
    """
    at_zero = "" if reference is None else f"; at λ = 0 it is {_nats(reference, sign=True)}"
    ratio = ""
    if math.isfinite(diversity_ratio):
        ratio = f". The diversity in training is {diversity_ratio:.2f} times that on test"
    note = ". Training values are running means over the epoch" if running_means else ""
    return (
        f"λ = {lam_text(lam)}: the ensemble's loss on test minus that in training is "
        f"{_nats(gap, sign=True)}{at_zero}{ratio}{note}."
    )


# --- variance ------------------------------------------------------------------------------------


def terms(
    lam: float,
    trials: int,
    loss: Interval,
    diversity: Interval,
    *,
    bias: float,
    variance: float,
    bias_se: float,
    variance_se: float,
) -> str:
    """State the decomposition of the expected loss; `trials` is 2 or more.

    Args:
        lam: λ.
        trials: Number of trials.
        loss: Expected loss of the ensemble.
        diversity: Mean diversity.
        bias: Average bias of the members.
        variance: Average variance of the members.
        bias_se: Jackknife standard error; NaN for two trials.
        variance_se: The same of the variance.
    """
    return (
        f"λ = {lam_text(lam)}: on test, over {trials} trials, the ensemble's expected loss, "
        f"{_nats(loss)}, "
        f"is the members' average bias, {_with_se(bias, bias_se)}, plus their average variance, "
        f"{_with_se(variance, variance_se)}, minus their diversity, {_nats(diversity)}."
    )


def _with_se(mean: float, se: float) -> str:
    return f"{mean:.3g} nats" + (f" (SE {se:.2g})" if math.isfinite(se) else "")


def terms_change(
    lam: float, reference: float, loss: Interval, *, bias: float, variance: float, diversity: float
) -> str:
    """State how the terms change from the smallest λ to the λ with the lowest expected loss.

    Args:
        lam: λ with the lowest expected loss.
        reference: The smallest λ.
        loss: Change of the expected loss, which is significant.
        bias: Change of the average bias.
        variance: Change of the average variance.
        diversity: Change of the diversity.
    """
    return (
        f"λ = {lam_text(lam)} has the lowest mean loss. Compared with λ = {lam_text(reference)} "
        "it changes by "
        f"{_nats(loss, sign=True)}: average bias {_signed(bias)}, average variance "
        f"{_signed(variance)}, diversity {_signed(diversity)}, which is subtracted."
    )


def no_change(lam: float, reference: float, loss: Interval, detectable: float) -> str:
    """State that the lowest expected loss is not significantly below that at the smallest λ.

    Args:
        lam: λ with the lowest mean loss.
        reference: The smallest λ.
        loss: Change of the expected loss.
        detectable: Change that would have been detected; NaN where nothing could be tested.
    """
    return (
        f"λ = {lam_text(lam)} has the lowest mean loss, but its difference from λ = "
        f"{lam_text(reference)}, "
        f"{_nats(loss, sign=True)}, is not significant{_power(detectable)}."
    )


def terms_differ(nats: float, limit: float) -> str:
    """State that the terms do not add up to the loss."""
    return (
        "Self-test failed: bias plus variance minus diversity differs from the loss by "
        f"{nats:.2g} nats (limit {limit:.0g}). Do not trust these terms."
    )
