"""Likelihoods: exponential families, one file each, used by the engine and by probes.

`contract` defines a family; `combining` derives losses, gradients, diversity and curvature of an
ensemble from it. Importing this package does not import torch; `find` does.
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
"""Installed families. A user-defined class can also be given by its address."""
COMBINERS: Final = ("logits", "probabilities")
"""What an ensemble averages: canonical parameters ("logits"), or probabilities or densities."""


def find(name: str) -> "Family":
    """Return the family with that name, or at that address, such as ``mine.py:Binomial``.

    Raises:
        RecipeError: if there is no such family, or the object is not a family.
    """
    from jtdiag.families.contract import Family

    if not loading.split(name)[0]:
        return FAMILIES.find(name)
    family = loading.load("family", name, "class", RecipeError)()
    if not isinstance(family, Family):
        raise RecipeError(
            f"family is {name!r}, which creates a {type(family).__name__}; it must create a "
            "jtdiag.families.contract.Family."
        )
    return family
