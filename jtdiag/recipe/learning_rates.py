"""Learning rates by rule: those of Webb et al. 2020, and the same without their confounds.

The authors lowered the rate near λ = 1, and did not multiply DenseNets' by the number of members,
so that at λ = 0 a member's own step is a 1/M of a single network's. Either may be taken for an
effect of λ. "paper" repeats what they did; "matched" gives every member the step of a single
network at every λ. Rates count for all members together, as everywhere in a recipe.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jtdiag.errors import RecipeError

if TYPE_CHECKING:
    from jtdiag.recipe.recipe import Recipe, Train

RULES = ("given", "paper", "matched")


@dataclass(frozen=True, kw_only=True)
class _Rates:
    """Rates of one architecture in the authors' code."""

    of_one: float
    """Of one network; up to a λ."""
    up_to: float = 1.0
    near_one: float = 0.0
    """Of one network, from a λ on."""
    since: float = 1.0
    times_members: bool = True
    """Whether the authors multiplied it by M."""


_AUTHORS = {
    "mlp": _Rates(of_one=0.02, up_to=0.95, near_one=0.006, since=0.99),
    "conv": _Rates(of_one=0.006, up_to=0.99, near_one=0.002, since=1.0),
    "densenet": _Rates(of_one=0.1, times_members=False),
}


def resolved(recipe: "Recipe") -> "Train":
    """Return a recipe's [train] with the numbers of its rule, one for each λ.

    Raises:
        RecipeError: if the rule has none for the recipe, or others stand there already.
    """
    train, rule = recipe.train, recipe.train.lr_rule
    _check_method(recipe)
    rates = tuple(_rate(recipe, rule, lam) for lam in recipe.lam)
    if train.lr and train.lr != rates:
        raise RecipeError(
            f"train.lr is {list(train.lr)} and train.lr_rule {rule!r}, which says {list(rates)}; "
            f"set train.lr = {rule!r} to have these, or train.lr_rule = 'given' to have yours."
        )
    return replace(train, lr=rates)


def _check_method(recipe: "Recipe") -> None:
    train, rule, arch = recipe.train, recipe.train.lr_rule, recipe.members.arch
    if arch not in _AUTHORS:
        raise RecipeError(
            f"train.lr is {rule!r} and members.arch {arch!r}; the paper has rates for "
            f"{', '.join(_AUTHORS)}. Give numbers."
        )
    if train.optimiser != "sgd" or train.lr_scale != "none":
        raise RecipeError(
            f"train.lr is {rule!r}, with train.optimiser {train.optimiser!r} and train.lr_scale "
            f"{train.lr_scale!r}; the paper's rates are sgd's, and M is in them already. Give "
            "numbers, or leave both out."
        )


def _rate(recipe: "Recipe", rule: str, lam: float) -> float:
    """Return the rate of a rule at one λ."""
    authors, members = _AUTHORS[recipe.members.arch], recipe.members.count
    if rule == "matched":
        return members * authors.of_one
    if not authors.times_members:
        return authors.of_one
    if lam <= authors.up_to or members == 1:
        return members * authors.of_one
    if lam >= authors.since:
        return members * authors.near_one
    raise RecipeError(
        f"train.lr is 'paper' and lam {lam:g}; for {recipe.members.arch} the paper has rates up to "
        f"{authors.up_to:g} and from {authors.since:g} on. Use 'matched', or give numbers."
    )


def in_words(recipe: "Recipe") -> str:
    """Return which rate holds at which λ, by which rule; empty for one rate that was given."""
    rates: dict[float, list[str]] = {}
    for i, lam in enumerate(recipe.lam):
        rates.setdefault(recipe.first_lr(i), []).append(f"{lam:g}")
    rule = recipe.train.lr_rule
    if rule == "given" and len(rates) == 1:
        return ""
    each = "; ".join(f"{rate:g} at λ = {', '.join(lams)}" for rate, lams in rates.items())
    return each if rule == "given" else f"{each} (by the rule '{rule}')"
