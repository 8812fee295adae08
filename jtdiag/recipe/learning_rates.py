"""Learning rates by rule: those of Webb et al. 2020, and the same without their confounders.

Webb et al. reduced the rate near λ = 1, and did not multiply it by the number of members for
DenseNets, so that at λ = 0 the effective rate of a member is 1/M of that of a single network.
Both can be mistaken for effects of λ. The rule "paper" reproduces their rates; "matched" gives
every member the effective rate of a single network at every λ. As everywhere in a recipe, rates
apply to the joint loss of all members.
"""

from collections.abc import Sequence

import attrs

from jtdiag.errors import RecipeError
from jtdiag.names import lam_text
from jtdiag.recipe.sections import Train


@attrs.frozen(kw_only=True)
class PaperRates:
    """Learning rates of one architecture in the code of Webb et al. 2020."""

    single: float
    """Rate of a single network, up to `up_to`."""
    up_to: float = 1.0
    near_one: float = 0.0
    """Rate of a single network, from `since` on."""
    since: float = 1.0
    times_members: bool = True
    """Whether Webb et al. multiplied the rate by M."""


def resolved(
    train: Train, lam: Sequence[float], *, arch: str, members: int, paper: PaperRates
) -> Train:
    """Return [train] with the learning rates of its rule, one for each λ.

    Args:
        train: With a rule in `lr_rule`.
        lam: λs of the recipe.
        arch: Architecture of the members, for messages.
        members: Number of members, M.
        paper: Rates of that architecture.

    Raises:
        RecipeError: if the rule does not define a rate, or `lr` has other numbers already.
    """
    rule = train.lr_rule
    if train.optimiser != "sgd" or train.lr_scale != "none":
        raise RecipeError(
            f"train.lr is {rule!r}, train.optimiser is {train.optimiser!r} and train.lr_scale is "
            f"{train.lr_scale!r}; the rates of the paper are for sgd and include the factor M. Set "
            "numbers, or omit train.optimiser and train.lr_scale."
        )
    rates = tuple(_rate(rule, value, arch, members, paper) for value in lam)
    if train.lr and train.lr != rates:
        raise RecipeError(
            f"train.lr is {list(train.lr)}, but train.lr_rule is {rule!r}, which gives "
            f"{list(rates)}; set train.lr = {rule!r} to use the rule, or train.lr_rule = 'given' "
            "to use your numbers."
        )
    return attrs.evolve(train, lr=rates)


def _rate(rule: str, lam: float, arch: str, members: int, paper: PaperRates) -> float:
    """Return the learning rate at one λ."""
    if rule == "matched":
        return members * paper.single
    if not paper.times_members:
        return paper.single
    if lam <= paper.up_to or members == 1:
        return members * paper.single
    if lam >= paper.since:
        return members * paper.near_one
    raise RecipeError(
        f"train.lr is 'paper' and lam includes {lam_text(lam)}; for {arch} the paper has rates "
        f"up to λ = {lam_text(paper.up_to)} and from λ = {lam_text(paper.since)} on. Use "
        "'matched', or set numbers."
    )
