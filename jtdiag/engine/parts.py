"""Parts of a run: the lanes that one of several processes trains."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from jtdiag.engine.stages import stages
from jtdiag.errors import RecipeError, option, shown
from jtdiag.names import lam_text
from jtdiag.recipe.recipe import Recipe
from jtdiag.store.lanes import Lane


@dataclass(frozen=True)
class Part:
    """One of several parts of equal size, such as 3/16."""

    number: int
    """From 1 to `count`."""
    count: int

    @classmethod
    def of_text(cls, text: str) -> "Part":
        """Return the part that is written as "3/16".

        Raises:
            RecipeError: if the text is not a part.
        """
        numbers = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text, re.ASCII)
        part = cls(*map(int, numbers.groups())) if numbers else cls(0, 0)
        if not 1 <= part.number <= part.count:
            raise RecipeError(
                f"{option('part', '--part')} is {shown(text)}; it must be a part of several, from "
                "1 on, such as 3/16."
            )
        return part

    def __str__(self) -> str:
        """Return the part as it is given."""
        return f"{self.number}/{self.count}"


def lanes_of(part: Part, recipe: Recipe, groups: Sequence[Sequence[Lane]]) -> list[Lane]:
    """Return the lanes of a part: every `count`-th unit.

    Args:
        part: The part.
        recipe: The recipe.
        groups: Its lanes, in groups that are trained together.

    Raises:
        RecipeError: if the part has no lane.
    """
    every = units(recipe, groups)
    chosen = every[part.number - 1 :: part.count]
    if not chosen:
        raise RecipeError(
            f"{option('part', '--part')} is {part}, which has no lane: the lanes of the recipe can "
            f"be divided into {len(every)} parts at most."
        )
    return [lane for unit in chosen for lane in unit]


def units(recipe: Recipe, groups: Sequence[Sequence[Lane]]) -> list[list[Lane]]:
    """Return the lanes in sets that are not divided, so that results do not depend on parts.

    Lanes of a set are computed together in some stage: in one batch, or as one lane for several.
    """
    set_of = {lane: {lane} for group in groups for lane in group}
    for stage in stages(recipe, groups):
        for group in stage.groups:
            together = set().union(*(set_of[lane] for row in group for lane in row))
            set_of |= dict.fromkeys(together, together)
    distinct = {id(lanes): lanes for lanes in set_of.values()}
    return [sorted(lanes) for lanes in distinct.values()]


def by_trial(lanes: Sequence[Lane], recipe: Recipe) -> str:
    """Return lanes as text, such as "trial 0: λ = 0, 0.9; trial 3: λ = 1"."""
    lams: dict[int, list[str]] = {}
    for lane in sorted(lanes):
        lams.setdefault(lane.trial, []).append(lam_text(recipe.lam[lane.lam_index]))
    return "; ".join(f"trial {trial}: λ = {', '.join(texts)}" for trial, texts in lams.items())
