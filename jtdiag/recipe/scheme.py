"""How the members of a recipe come about: jointly, or by one of the classical schemes beside it."""

from typing import TYPE_CHECKING

from jtdiag import names
from jtdiag.errors import RecipeError
from jtdiag.recipe import checks as check

if TYPE_CHECKING:
    from jtdiag.recipe.recipe import Recipe

SCHEMES = ("joint", "bagging", "stacking", "single")
"""Eq. 4 of Webb et al. 2020 at every λ; and what its Fig. 2 compares it with: Breiman 1996, Wolpert
1992, and one large network."""
BOOTSTRAPS = ("weights", "batches")
"""A bagged member's bootstrap as weights of the common batches, or as batches of its own."""


def check_scheme(recipe: "Recipe") -> None:
    """Refuse what a recipe's scheme does not go with.

    Raises:
        RecipeError: saying what, and what would do.
    """
    scheme = check.choice("scheme", recipe.scheme, SCHEMES)
    check.choice("bootstrap", recipe.bootstrap, BOOTSTRAPS)
    if scheme != "bagging" and recipe.bootstrap != "weights":
        raise RecipeError(
            f"bootstrap is {recipe.bootstrap!r} and scheme {scheme!r}; only scheme = 'bagging' "
            "draws bootstraps."
        )
    if scheme == "single" and (recipe.members.count > 1 or len(recipe.lam) > 1):
        raise RecipeError(
            f"scheme is 'single', with {recipe.members.count} members and {len(recipe.lam)} "
            "lambdas; it is one network, for which every λ is the same: set members.count = 1 and "
            "one lam."
        )
    if scheme in ("bagging", "stacking"):
        _check_independent(recipe)
    if scheme == "stacking":
        _check_what_is_kept(recipe)


def _check_independent(recipe: "Recipe") -> None:
    """Refuse members that are not trained by themselves."""
    wrong, instead = "", ""
    if recipe.lam != (0.0,):
        wrong, instead = f"lam {', '.join(f'{lam:g}' for lam in recipe.lam)}", "set lam = 0"
    elif recipe.objective != type(recipe.objective)():
        wrong, instead = "an [objective]", "leave it out"
    elif recipe.members.branched:
        wrong = f"members.arch {recipe.members.arch!r}, whose members share weights"
        instead = "name another arch"
    if wrong:
        raise RecipeError(
            f"scheme is {recipe.scheme!r}, which trains every member by itself, with {wrong}; "
            f"{instead}, or use scheme = 'joint'."
        )


def _check_what_is_kept(recipe: "Recipe") -> None:
    """Refuse a run that the meta-learner could not be fitted to."""
    if recipe.family != "categorical":
        raise RecipeError(
            f"scheme is 'stacking' and family {recipe.family!r}; the meta-learner is a logistic "
            "regression, for family = 'categorical' only."
        )
    epochs = recipe.keep.outputs == "all" or "best" in recipe.keep.outputs
    if not (recipe.data.val and epochs and {names.VAL, names.TEST} <= {*recipe.keep.splits}):
        raise RecipeError(
            "scheme is 'stacking', whose meta-learner reads the members' outputs of the best epoch "
            "on validation and test; set data.val above 0, keep.splits = ['val', 'test'], and "
            "'best' in keep.outputs."
        )
