"""A run from the weights of members that were trained elsewhere, which are evaluated here."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from jtdiag import families, loading, names
from jtdiag.engine.architectures.factory import with_sizes
from jtdiag.engine.datasets import in_memory
from jtdiag.errors import DataError
from jtdiag.families.contract import Family
from jtdiag.monitor import wording
from jtdiag.monitor.imported import from_logits
from jtdiag.monitor.state_files import State, members_in, states_of
from jtdiag.printable import reason
from jtdiag.store.run import Run

BATCH = 500
"""Examples that are evaluated at a time."""


@torch.no_grad()
def from_state_dicts(
    states: str | Path | State | Sequence[Any],
    factory: Callable[[], nn.Module] | str,
    data: str | Sequence[Any],
    *,
    lam: float,
    out: str | Path,
    epochs: int | Sequence[int] | None = None,
    family: str | Family = "categorical",
    combiner: str = "logits",
) -> Run:
    """Write a run from the weights of members that were trained elsewhere, and return it.

    Members are evaluated once, after the last epoch, on training and test examples. Their weights
    are not stored.

    Args:
        states: Files (.pt, .pth or .ckpt, read with weights_only=True, or .safetensors),
            state_dicts, or a list of these; of one member each, or of the members of an ensemble,
            whose names begin with a number, such as "members.0.". Names may begin with that of a
            submodule.
        factory: Function that creates a member, or its address, such as "net.py:make".
        data: As in `train`: (x_train, y_train, x_test, y_test) as arrays, two datasets of torch, or
            the name of a data set or path. Members are given the inputs as they are: (N, D)
            features or (N, C, H, W) images, of which those of bytes are divided by 255.
        lam: λ of Eq. 4 (Webb et al. 2020) in training, as in `from_logits`.
        out: Folder of the new run; it must not exist or be empty.
        epochs: Number of epochs of training; by default 1.
        family: The likelihood, by name or as an object.
        combiner: What the ensemble averages, "logits" or "probabilities".

    Raises:
        DataError: if files or data cannot be read, or do not fit the module.
        StoreError: if the folder is not empty, or cannot be written.
    """
    likelihood = families.find(family) if isinstance(family, str) else family
    arrays = in_memory.arrays_of(data, numbers=not likelihood.classes)
    module = _created(factory, arrays.x_test.shape[1:])
    members = _members(states, module)
    inputs = {names.TRAIN: arrays.x_train, names.TEST: arrays.x_test}
    logits = {
        split: np.stack([_outputs(module, state, x) for state in members])
        for split, x in inputs.items()
    }
    return from_logits(
        logits,
        {names.TRAIN: arrays.y_train, names.TEST: arrays.y_test},
        lam=lam,
        out=out,
        epochs=epochs,
        family=family,
        combiner=combiner,
    )


def _created(factory: Callable[[], nn.Module] | str, shape: tuple[int, ...]) -> nn.Module:
    """Return a member for examples of a shape, in evaluation mode."""
    create: Callable[[], nn.Module] = (
        loading.load("factory", factory, "function", DataError)
        if isinstance(factory, str)
        else factory
    )
    try:
        module: object = with_sizes(create, shape)()
    except Exception as error:  # a user's function may raise anything
        raise DataError(wording.factory_fails(reason(error, 150))) from error
    if not isinstance(module, nn.Module):
        raise DataError(wording.no_module(type(module).__name__))
    if not module.state_dict():
        raise DataError(wording.no_module("module without parameters"))
    return module.eval()


def _members(states: Any, module: nn.Module) -> list[State]:
    expected = {name: tensor.shape for name, tensor in module.state_dict().items()}
    return [
        member
        for where, state in states_of(states)
        for member in members_in(where, state, expected)
    ]


def _outputs(module: nn.Module, state: State, x: NDArray[np.float32]) -> NDArray[Any]:
    """Return the outputs (N, K) of the member with these weights."""
    module.load_state_dict(dict(state))
    dtype = next((p.dtype for p in module.parameters()), torch.float32)
    inputs = torch.from_numpy(np.ascontiguousarray(x)).to(dtype)
    try:
        outputs: list[object] = [module(batch) for batch in torch.split(inputs, BATCH)]
    except Exception as error:  # a user's module may raise anything
        raise DataError(wording.module_fails(tuple(x.shape), reason(error, 150))) from error
    tensors = [output for output in outputs if isinstance(output, torch.Tensor)]
    if len(tensors) < len(outputs) or any(tensor.ndim != 2 for tensor in tensors):
        kind = type(outputs[0]).__name__
        shape = tuple(tensors[0].shape) if tensors else None
        raise DataError(wording.module_output(kind, shape))
    return torch.cat(tensors).float().numpy()
