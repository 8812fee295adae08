"""A member is tried on batches of all sizes that occur, before anything is written."""

from collections.abc import Iterable

import torch
from torch import Tensor

from jtdiag.engine.architectures import factory
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
            that do not depend on its parameters.
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
