"""A member is tried on batches of all sizes that occur, before anything is written."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from jtdiag.engine import wording
from jtdiag.engine.architectures import factory, standalone
from jtdiag.engine.architectures.module_stack import ModuleStack
from jtdiag.errors import RecipeError
from jtdiag.recipe.members import Members


def try_module(
    stack: ModuleStack, members: Members, x: Tensor, outputs: int, *, batch: int, count: int
) -> None:
    """Compute logits and gradients of one member for the first and the last batch of an epoch.

    Args:
        stack: The members.
        members: [members] of the recipe.
        x: Training examples (n, …), at least one batch of them, in the precision and on the device
            of the training.
        outputs: Number of outputs, K.
        batch: Batch size.
        count: Training examples in an epoch.

    Raises:
        RecipeError: if the module fails, returns something other than logits, or returns logits
            that do not depend on its parameters, or depend on something else.
    """
    last = count % batch or min(batch, count)
    for size in sorted({min(batch, count), last}, reverse=True):
        mode = "in training mode"
        try:
            logits = stack.sample(x[:size], training=True)
        except Exception as error:  # user code may raise anything
            complaint = factory.failure(members, mode, size, tuple(x.shape[1:]), error)
            raise _with_last_batch(complaint, members, size, batch, count) from error
        factory.check_logits(logits, members, mode, size, tuple(x.shape[1:]), outputs)
    if "factory" in members.architecture.fields:
        _require_standalone(stack, members, x[: last if last > 1 else min(batch, count)])


def _require_standalone(stack: ModuleStack, members: Members, x: Tensor) -> None:
    """Check that the module depends on its parameters and buffers only.

    Raises:
        RecipeError: if it does not.
    """
    for training in (False, True):
        complaint = standalone.complaint(stack, x, training=training)
        if complaint:
            raise RecipeError(f"members.factory is {members.factory!r}; {complaint}")


def try_evaluation(
    stack: ModuleStack, members: Members, x: Tensor, outputs: int, sizes: Iterable[int]
) -> None:
    """Compute logits of one member in evaluation mode, for batches of some sizes.

    Raises:
        RecipeError: if the module fails, or returns something other than logits.
    """
    mode = "in evaluation mode"
    for size in sorted(set(sizes)):
        few = x[torch.arange(size, device=x.device) % len(x)]
        try:
            logits = stack.sample(few, training=False)
        except Exception as error:  # user code may raise anything
            raise factory.failure(members, mode, size, tuple(x.shape[1:]), error) from error
        factory.check_logits(logits, members, mode, size, tuple(x.shape[1:]), outputs)


def activation_bytes(stack: ModuleStack, members: Members, x: Tensor) -> int:
    """Return the bytes that one member saves for backward on a few examples (n, …).

    Raises:
        RecipeError: if a user's module fails on so few examples.
    """
    try:
        return stack.activation_bytes(x)
    except Exception as error:  # user code may raise anything
        if "factory" not in members.architecture.fields:
            raise
        mode, shape = "in training mode", tuple(x.shape[1:])
        raise factory.failure(members, mode, len(x), shape, error) from error


def remarks(stack: ModuleStack, x: Tensor, *, classes: bool) -> Sequence[str]:
    """Return what is unusual about a module that can be trained, one sentence each.

    Args:
        stack: The members.
        x: Examples (B, …).
        classes: Whether outputs are logits of classes.
    """
    first, second, fewer = (
        _evaluated(stack, part, seed)
        for part, seed in ((x, 0), (x, 1), (x[: max(1, len(x) // 2)], 0))
    )
    result = []
    if not standalone.equal(first, second):
        result.append(wording.random_in_evaluation())
    elif not standalone.equal(first[: len(fewer)], fewer):
        result.append(wording.depends_on_batch())
    if classes and first.shape[-1] > 1 and _are_probabilities(first):
        result.append(wording.probabilities())
    return result


def _evaluated(stack: ModuleStack, x: Tensor, seed: int) -> Tensor:
    logits = stack.sample(x, training=False, seed=seed)
    assert isinstance(logits, Tensor)  # has been tried
    return logits


def _are_probabilities(logits: Tensor) -> bool:
    total = logits.float().sum(-1)
    return bool((logits >= 0).all() and ((total - 1).abs() < 1e-3).all())


def _with_last_batch(
    error: RecipeError, members: Members, size: int, batch: int, count: int
) -> RecipeError:
    """Return the error with what the size of the last batch follows from."""
    if size in (batch, count):
        return error
    return RecipeError(
        f"{error}. The last batch of an epoch has {factory.examples(size)}, since there are "
        f"{count} training examples and train.batch is {batch}; change train.batch, data.val or "
        f"{'the module' if members.factory else 'members.norm'}."
    )
