"""What is checked before several processes train a lane together."""

import socket

import torch

from jtdiag import names
from jtdiag.engine.architectures import standalone
from jtdiag.engine.architectures.module_stack import ModuleStack
from jtdiag.engine.ranks.division import Division, OfExamples, OfMembers
from jtdiag.engine.ranks.processes import Ranks
from jtdiag.engine.session import Session
from jtdiag.errors import ClusterError, DataError, RecipeError
from jtdiag.recipe import toml
from jtdiag.recipe.recipe import Recipe

WITHOUT = "Train it in one process, without torchrun"


def division_of(recipe: Recipe, ranks: Ranks) -> Division:
    """Return how the lanes of a recipe are divided over processes.

    Raises:
        ClusterError: if the processes have different recipes.
        RecipeError: if the lanes cannot be divided over so many processes.
    """
    if ranks.count == 1:
        return Division()
    _require_same_recipe(recipe, ranks)
    count, members = ranks.count, recipe.members
    if recipe.modules.active:
        raise RecipeError(
            f"modules.credit is '{recipe.modules.credit}', and members with modules are not "
            f"divided over ranks. {WITHOUT}."
        )
    if recipe.objective.loss == "gncl-exact":
        raise RecipeError(
            "objective.loss is 'gncl-exact', whose gradient needs the products of all members' "
            f"logits, so it is not divided over ranks. {WITHOUT}, or use 'joint'."
        )
    if members.branched:
        return OfExamples(ranks=ranks)
    if count > members.count:
        raise RecipeError(
            f"torchrun has started {count} ranks, but members.count is {members.count}, and each "
            "rank has at least one member; start fewer."
        )
    return OfMembers(ranks=ranks)


def _require_same_recipe(recipe: Recipe, ranks: Ranks) -> None:
    every = ranks.gather(recipe)
    for rank, other in enumerate(every):
        changed = toml.differences(every[0], other)
        if other.engine != every[0].engine:
            changed.append("engine")
        if changed:
            raise ClusterError(
                f"Rank {rank} has another recipe than rank 0; these fields differ: "
                f"{', '.join(changed)}. Start all ranks with the same recipe."
            )


def require_same_data(session: Session) -> None:
    """Check that all processes have the same data.

    Raises:
        DataError: if they have not.
    """
    own = session.data.fingerprint, socket.gethostname()
    every = session.division.ranks.gather(own)
    for rank, (fingerprint, host) in enumerate(every):
        if fingerprint != every[0][0]:
            raise DataError(
                f"{session.recipe.data.name}: the data of rank {rank} on {host} are not those of "
                f"rank 0 on {every[0][1]}; copy them, or name data that all machines share."
            )


def require_divisible(session: Session) -> None:
    """Check that the members give the same results whatever the number of processes.

    Raises:
        RecipeError: if they do not.
    """
    recipe, stack = session.recipe, session.stack
    if isinstance(session.division, OfExamples):
        _require_examples(session)
        _require_independent_examples(session)
    elif isinstance(session.division, OfMembers) and stack.draws:
        x = session.data.part(names.TRAIN).x[: recipe.train.batch]
        if recipe.engine.micro_members != 1 and _is_random(stack, x):
            raise RecipeError(
                f"members.factory is {recipe.members.factory!r}, whose module draws random "
                "numbers in training, for the members of a rank together; set "
                "engine.micro_members = 1, so that they do not depend on the number of ranks."
            )


def _require_examples(session: Session) -> None:
    recipe, ranks = session.recipe, session.division.ranks.count
    count = session.data.count(names.TRAIN)
    sizes = {f"the split {split}": session.data.count(split) for split in recipe.splits}
    sizes["a batch"] = min(recipe.train.batch, count)
    sizes["the last batch of an epoch"] = count % recipe.train.batch or sizes["a batch"]
    for what, size in sizes.items():
        if size < ranks:
            raise RecipeError(
                f"torchrun has started {ranks} ranks, but {what} has {size} examples, of which "
                "each rank computes at least one; start fewer, or change train.batch or data.val."
            )


def _require_independent_examples(session: Session) -> None:
    """Check that the network computes an example as if there were no others."""
    stack, recipe = session.stack, session.recipe
    x = session.data.part(names.TRAIN).x[: max(2, recipe.train.batch)]
    problem = ""
    if _is_random(stack, x):
        problem = "draws random numbers in training"
    elif _changes_buffers(stack, x):
        problem = "has buffers that training changes, as in batch normalization"
    elif any(_depends_on_others(stack, x, training=training) for training in (True, False)):
        problem = "computes an example from the others of its batch"
    if problem:
        raise RecipeError(
            f"members.arch is '{recipe.members.arch}', whose network {problem}; so its results "
            f"would depend on the number of ranks, over which batches are divided. {WITHOUT}."
        )


def _sample(stack: ModuleStack, x: torch.Tensor, seed: int, *, training: bool) -> torch.Tensor:
    logits = stack.sample(x, training=training, seed=seed)
    assert isinstance(logits, torch.Tensor)  # has been tried, or is found to be wrong later
    return logits.detach()


def _is_random(stack: ModuleStack, x: torch.Tensor) -> bool:
    first, second = (_sample(stack, x, seed, training=True) for seed in (0, 1))
    return not standalone.equal(first, second)


def _changes_buffers(stack: ModuleStack, x: torch.Tensor) -> bool:
    state = stack.single(x)
    before = {name: state[name].clone() for name in stack.buffers}
    stack.once(state, x, training=True)
    return any(
        tensor.is_floating_point() and not torch.equal(tensor, state[name])
        for name, tensor in before.items()
    )


def _depends_on_others(stack: ModuleStack, x: torch.Tensor, *, training: bool) -> bool:
    half = max(1, len(x) // 2)
    whole, part = (_sample(stack, each, 0, training=training) for each in (x, x[:half]))
    return not standalone.equal(whole[:half], part)
