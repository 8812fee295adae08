"""The candidates: numbers of members × λ and the classical schemes, of one parameter budget."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from jtdiag import names
from jtdiag.advising import wording
from jtdiag.errors import RecipeError
from jtdiag.names import lam_text
from jtdiag.recipe import budget, starting, toml
from jtdiag.recipe.budget import Configuration
from jtdiag.recipe.recipe import Recipe

MEMBERS: Final = (1, 2, 4, 8, 16, 32, 64)
"""Numbers of members that are compared by default, if the budget can be met with them."""
LAMS: Final = (0.0, 0.5, 0.9, 0.99, 1.0)
MOST_OFF: Final = 10.0
"""Percent by which the parameters of a candidate may differ from the budget."""


@attrs.frozen(kw_only=True)
class Question:
    """What advice is asked for; the same question has the same candidates."""

    data: str
    """Name of a data set, or path of an .npz file."""
    params: int
    """Parameters of all members together."""
    arch: str = "mlp"
    members: tuple[int, ...] = ()
    """Numbers of members to compare; () for those of `MEMBERS` with which the budget can be met."""
    layout: str = "auto"
    """Order of the axes of images in a file, as in data.layout."""
    overrides: tuple[str, ...] = ()
    """Changes to the recipes of all candidates, such as "train.epochs=30" or "lam=[0, 1]"."""


@attrs.frozen(kw_only=True)
class Candidate:
    """One way to spend the budget."""

    recipe: Recipe
    """Of one λ and one trial."""
    width: int
    """Width of a member, as `jtdiag budget` prints it."""
    parameters: int
    """Of all members together."""

    @property
    def name(self) -> str:
        """Name of the recipe and of the folder of its run, such as "16-members-lam-0.9"."""
        return self.recipe.name

    @property
    def members(self) -> int:
        """Number of members, M."""
        return self.recipe.members.count

    @property
    def lam(self) -> float:
        """Weight of the ensemble loss."""
        return self.recipe.lam[0]

    @property
    def scheme(self) -> str:
        """Return "single", "bagging", "independent" (λ = 0) or "joint"."""
        if self.recipe.scheme == "joint" and self.lam == 0:
            return "independent"
        return self.recipe.scheme

    @property
    def label(self) -> str:
        """How a sentence calls it, such as "16 members at λ = 0.9"."""
        return wording.label(self.scheme, self.members, self.lam)


def candidates(question: Question) -> tuple[Candidate, ...]:
    """Return all candidates, the single network first.

    Raises:
        RecipeError: if the budget cannot be met, or an override is invalid.
        DataError: if the data cannot be read.
    """
    configurations = _configurations(question)
    return tuple(
        Candidate(recipe=recipe, width=each.width, parameters=each.parameters)
        for each in configurations
        for recipe in _recipes(question, each)
    )


def _configurations(question: Question) -> tuple[Configuration, ...]:
    """Return a width for each number of members."""
    if question.members:
        return _plan(question, sorted({*question.members}))
    chosen = []
    for count in MEMBERS:
        try:
            [each] = _plan(question, [count])
        except RecipeError:
            if count == MEMBERS[0]:
                raise
            break  # too few parameters for as many members
        if abs(each.difference) <= MOST_OFF:
            chosen.append(each)
    return tuple(chosen)


def _plan(question: Question, members: Sequence[int]) -> tuple[Configuration, ...]:
    return budget.plan(
        question.params,
        question.arch,
        question.data,
        members,
        question.layout,
        numbers=starting.has_numbers(question.data),
    )


def _recipes(question: Question, configuration: Configuration) -> Iterator[Recipe]:
    """Yield the recipes of a number of members: every λ, and bagging."""
    table = toml.override(_table(configuration, question), question.overrides)
    if table.get("trials", 1) != 1 or "scheme" in table:
        raise RecipeError(
            "--set changes trials or scheme, which the advice chooses itself; leave it out."
        )
    if configuration.count == 1:
        yield toml.from_table({**table, "name": "single-network", "scheme": "single", "lam": 1})
        return
    count = f"{configuration.count}-members"
    joint = toml.from_table(table)
    for lam in joint.lam:
        yield attrs.evolve(joint, name=f"{count}-lam-{lam_text(lam)}", lam=(lam,))
    bagging = {"name": f"{count}-bagging", "scheme": "bagging", "lam": 0}
    yield toml.from_table({**table, **bagging})


def _table(configuration: Configuration, question: Question) -> Mapping[str, Any]:
    """Return the recipe of a number of members as a table, before overrides."""
    data, sizing = configuration.data, configuration.sizing
    val = budget.held_out(data)
    batch = starting.batch_size(data.examples - val)
    rates = {key: sizing.train[key] for key in ("lr", "lr_scale") if key in sizing.train}
    return {
        "name": f"{configuration.count}-members",
        "lam": [1.0] if configuration.count == 1 else list(LAMS),
        **({"family": "gaussian"} if starting.has_numbers(question.data) else {}),
        "data": {
            "name": data.name,
            "val": val,
            **({"layout": data.layout} if data.layout != "auto" else {}),
        },
        "members": {
            "arch": configuration.arch,
            "count": configuration.count,
            **sizing.fields(configuration.width),
        },
        "train": {"epochs": starting.epochs(data.examples - val, batch), "batch": batch, **rates},
        "keep": {"outputs": ["best"], "checkpoints": ["best"], "splits": [names.VAL]},
    }


def recipe_to_continue(candidate: Candidate, trials: int) -> Recipe:
    """Return the recipe of a candidate for its user: more trials, and outputs on test as well.

    Args:
        candidate: The candidate.
        trials: Number of trials.
    """
    keep = attrs.evolve(
        candidate.recipe.keep,
        outputs=(1, 2, 3, "best", "last"),
        checkpoints=(0, 1, 2, 3, "best", "last"),
        splits=(names.VAL, names.TEST),
    )
    return attrs.evolve(candidate.recipe, trials=trials, keep=keep)


def path_of(folder: Path, candidate: Candidate) -> Path:
    """Return the folder of the run of a candidate."""
    return folder / "runs" / candidate.name
