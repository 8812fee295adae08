"""A module as a function of its parameters, its buffers and its inputs."""

import itertools
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from jtdiag.engine import wording


class ModuleFunction:
    """Calls a module with other parameters and buffers than its own, which stay as they are.

    Everything that the module does with them is done with those that are passed: a buffer that
    `forward` assigns anew, such as a moving average, is written into the one that was passed. An
    input that the module changes in place is copied first, since other members receive it too.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._places = _places(module)
        self._buffers = {name for name, _ in module.named_buffers()}
        self._changes_inputs: dict[bool, bool] = {}
        """Whether the module changes its inputs in place, in training mode and otherwise."""

    def __call__(self, state: Mapping[str, Tensor], x: Tensor) -> object:
        """Return what the module returns for inputs (B, …).

        Args:
            state: All parameters and buffers of one member, by their names in the module.
            x: Inputs; all members receive the same.

        Raises:
            ValueError: if the module replaces a buffer by one of another shape.
            Exception: whatever the module raises.
        """
        mode = self._module.training
        x = x.clone() if self._changes_inputs.get(mode, True) else x
        # Tensors of inference mode count no changes: whether there are any stays unknown then.
        before = None if x.is_inference() else x._version
        tensors = {place: state[name] for place, name in self._places.items()}
        # Names are tied by `_places`. functional_call would replace the tensors of a submodule that
        # occurs twice two times, and leave the first replacement in the module.
        outputs: object = functional_call(self._module, tensors, (x,), tie_weights=False)
        if before is not None:
            self._changes_inputs.setdefault(mode, x._version != before)
        self._keep_buffers(tensors, state)
        return outputs

    def _keep_buffers(self, tensors: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
        """Write buffers that were assigned anew, of which functional_call has left the last."""
        for place, name in self._places.items():
            last = tensors[place]
            if name in self._buffers and last is not state[name]:
                if last.shape != state[name].shape:
                    raise ValueError(
                        wording.other_buffer(name, tuple(state[name].shape), tuple(last.shape))
                    )
                with torch.no_grad():
                    state[name].copy_(last)


def _places(module: nn.Module) -> dict[str, str]:
    """Return the name of the tensor at every place of a module, each submodule taken once."""
    tensors = itertools.chain(module.named_parameters(), module.named_buffers())
    names = {id(tensor): name for name, tensor in tensors}
    places: dict[str, str] = {}
    for path, part in module.named_modules():
        own = itertools.chain(
            part.named_parameters(recurse=False, remove_duplicate=False),
            part.named_buffers(recurse=False, remove_duplicate=False),
        )
        places |= {f"{path}.{key}" if path else key: names[id(tensor)] for key, tensor in own}
    return places
