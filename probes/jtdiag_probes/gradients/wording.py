"""Sentences of the gradients probe."""

from collections.abc import Sequence

from jtdiag.names import lam_text
from jtdiag.probing.last_epoch import after
from jtdiag.stats import Interval, with_interval


def own_share(lam: float, epochs: Sequence[int], share: Interval) -> str:
    """Return how much of the gradient is specific to members.

    Args:
        lam: λ.
        epochs: Epochs of the checkpoints, in ascending order.
        share: Member-specific share of the squared gradient with respect to the logits, 0 to 1.
    """
    percent = with_interval(share.within(0, 1).scaled(100), ".1f", "%")
    return (
        f"λ = {lam_text(lam)}: {after(epochs)}, {percent} of the squared gradient with "
        "respect to the "
        "logits is specific to each member; the rest is the same for all members."
    )


def cosine(
    lam: float, epochs: Sequence[int], *, median: float, low: float, high: float, negative: float
) -> str:
    """Return how well the gradients of a member's own loss and of the ensemble's loss align.

    Args:
        lam: λ.
        epochs: Epochs of the checkpoints, in ascending order.
        median: Median cosine similarity over members and trials.
        low: Its minimum.
        high: Its maximum.
        negative: Share of members and trials at which it is negative, 0 to 1.
    """
    opposed = f"; it is negative for {100 * negative:.0f} % of the members" if negative else ""
    numbers = f"{median:.2f} (median over members; range {low:.2f} to {high:.2f})"
    return (
        f"λ = {lam_text(lam)}: {after(epochs)}, the cosine similarity between the gradients "
        "of a "
        f"member's own loss and of the ensemble's loss is {numbers}{opposed}."
    ).replace("-", "−")


def largest_share(lam: float, epochs: Sequence[int], share: float, members: int) -> str:
    """Return the largest share of one member in the squared gradient with respect to the weights.

    Args:
        lam: λ.
        epochs: Epochs of the checkpoints, in ascending order.
        share: Its share, 0 to 1.
        members: Ensemble size, M.
    """
    return (
        f"λ = {lam_text(lam)}: {after(epochs)}, the largest share of one member in the squared "
        f"gradient with respect to the weights is {100 * share:.1f} % (equal shares: "
        f"{100 / members:.1f} %)."
    )
