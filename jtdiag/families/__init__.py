"""Likelihoods: exponential families, one file each, for the engine and for probes alike.

`contract` says what a family is, `combining` what follows for an ensemble of them: losses,
gradient, diversity, curvature. Importing this package does not import torch; finding one does.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from jtdiag import loading
from jtdiag.errors import RecipeError

if TYPE_CHECKING:
    from jtdiag.families.contract import Family

NAMES: Final = ("categorical", "gaussian", "poisson", "bernoulli")
"""Families that come with jtdiag; the address of a class of your own will do as well."""
COMBINERS: Final = ("logits", "probabilities")
"""What the ensemble averages: canonical parameters, or probabilities (densities)."""


def find(name: str) -> "Family":
    """Return the family of that name, or the one at that address, such as ``mine.py:Binomial``.

    Raises:
        RecipeError: if there is none, or what is there is no family.
    """
    from jtdiag.families.contract import Family

    if name in NAMES:
        found: Family = import_module(f"jtdiag.families.{name}").FAMILY
        return found
    made = loading.load("family", name, "class")()
    if not isinstance(made, Family):
        raise RecipeError(
            f"family is {name!r}; it makes a {type(made).__name__}, and must make a "
            "jtdiag.families.contract.Family."
        )
    return made
