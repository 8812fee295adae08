"""Training schemes: joint training, and the classical schemes that it is compared with."""

from collections.abc import Sequence
from typing import Final

from jtdiag import names
from jtdiag.errors import RecipeError
from jtdiag.names import lam_text
from jtdiag.recipe.members import Members
from jtdiag.recipe.objective import Objective
from jtdiag.recipe.sections import Data, Keep

SCHEMES: Final = ("joint", "bagging", "stacking", "single")
"""Eq. 4 of Webb et al. 2020 at every λ, and the schemes of their Fig. 2: bagging (Breiman 1996),
stacking (Wolpert 1992) and one large network."""
BOOTSTRAPS: Final = ("weights", "batches")
"""How a bagged member draws its bootstrap sample: as weights of the examples in common batches, or
as batches of its own."""


def check_bootstrap(scheme: str, bootstrap: str) -> None:
    """Reject a bootstrap setting in a scheme without bootstrap samples."""
    if scheme != "bagging" and bootstrap != "weights":
        raise RecipeError(
            f"bootstrap is {bootstrap!r} and scheme is {scheme!r}; only scheme = 'bagging' draws "
            "bootstrap samples."
        )


def check_single(members: Members, lam: Sequence[float]) -> None:
    """Reject several members or λs in the scheme "single"."""
    if members.count > 1 or len(lam) > 1:
        raise RecipeError(
            f"scheme is 'single', with {members.count} members and {len(lam)} λs; it is a single "
            "network, for which all λs are equivalent: set members.count = 1 and one lam."
        )


def check_independent(
    scheme: str, members: Members, lam: Sequence[float], objective: Objective
) -> None:
    """Reject members that are not trained independently, which bagging and stacking require."""
    conflict, fix = "", ""
    if tuple(lam) != (0.0,):
        conflict, fix = f"lam {', '.join(lam_text(value) for value in lam)}", "set lam = 0"
    elif objective != Objective():
        conflict, fix = "an [objective]", "omit it"
    elif members.branched:
        conflict = f"members.arch {members.arch!r}, whose members share weights"
        fix = "choose another arch"
    if conflict:
        raise RecipeError(
            f"scheme is {scheme!r}, which trains the members independently, with {conflict}; "
            f"{fix}, or use scheme = 'joint'."
        )


def check_stacking(family: str, data: Data, keep: Keep) -> None:
    """Reject a run to whose outputs the meta-learner of stacking cannot be fitted."""
    if family != "categorical":
        raise RecipeError(
            f"scheme is 'stacking' and family is {family!r}; the meta-learner is a logistic "
            "regression, for family = 'categorical' only."
        )
    best = keep.outputs == "all" or "best" in keep.outputs
    if not (data.val and best and {names.VAL, names.TEST} <= {*keep.splits}):
        raise RecipeError(
            "scheme is 'stacking', whose meta-learner needs the outputs of the members in the best "
            "epoch on validation and test examples; set data.val > 0, keep.splits = "
            "['val', 'test'], and 'best' in keep.outputs."
        )
