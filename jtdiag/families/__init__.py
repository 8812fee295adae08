"""Likelihoods: exponential families, one file each, for the engine and for probes alike.

`contract` says what a family is, `combining` what follows for an ensemble of them: losses,
gradient, diversity, curvature. Importing this package does not import torch; finding one does.
"""

from typing import TYPE_CHECKING, Final

from jtdiag import loading
from jtdiag.errors import RecipeError

if TYPE_CHECKING:
    from jtdiag.families.contract import Family

FAMILIES: Final[loading.Registry["Family"]] = loading.Registry(
    group="jtdiag.families",
    kind="jtdiag.families.contract:Family",
    noun="family",
    plural="families",
    error=RecipeError,
    order=("categorical", "gaussian", "poisson", "bernoulli"),
)
"""Installed families; the address of a class of your own may be given as well."""
COMBINERS: Final = ("logits", "probabilities")
"""What the ensemble averages: canonical parameters, or probabilities (densities)."""


def find(name: str) -> "Family":
    """Return the family of that name, or the one at that address, such as ``mine.py:Binomial``.

    Raises:
        RecipeError: if there is none, or what is there is no family.
    """
    from jtdiag.families.contract import Family

    if not loading.split(name)[0]:
        return FAMILIES.find(name)
    made = loading.load("family", name, "class", RecipeError)()
    if not isinstance(made, Family):
        raise RecipeError(
            f"family is {name!r}; it makes a {type(made).__name__}, and must make a "
            "jtdiag.families.contract.Family."
        )
    return made
