"""Members: M networks of one architecture as stacked tensors, in one computation for all lanes.

One file an architecture; `contract` says what the engine needs of each, `module_stack` makes one
of any torch.nn.Module.
"""

from jtdiag.engine.architectures.branch_stack import BranchStack
from jtdiag.engine.architectures.contract import MemberStack, State
from jtdiag.engine.architectures.conv import ConvStack, size_after
from jtdiag.engine.architectures.densenet import DenseNetStack
from jtdiag.engine.architectures.factory import load_factory, try_out
from jtdiag.engine.architectures.mlp import MLP
from jtdiag.engine.architectures.module_stack import Factory, ModuleStack
from jtdiag.errors import RecipeError
from jtdiag.recipe.recipe import Members

__all__ = ["MemberStack", "State", "build"]


def build(
    members: Members,
    input_shape: tuple[int, ...],
    outputs: int,
    factory: Factory | None = None,
) -> ModuleStack:
    """Return the stack that a recipe's [members] describe, for inputs of a shape and K outputs.

    Args:
        members: What a recipe says of them.
        input_shape: Of one example.
        outputs: Of one member, K.
        factory: Makes what members.factory would; it is loaded from there by default.

    Raises:
        RecipeError: if the architecture cannot take such inputs.
    """
    if members.arch == "mlp":
        return MLP(members.count, input_shape, members.hidden, outputs)
    if members.arch in ("module", "branches"):
        make = factory or load_factory(members.factory)
        try_out(make, members, input_shape, outputs)
        if members.branched:
            return BranchStack(make, draws=True)
        return ModuleStack(members.count, make, draws=True)
    return _of_images(members, input_shape, outputs)


def _of_images(members: Members, input_shape: tuple[int, ...], outputs: int) -> ModuleStack:
    if len(input_shape) != 3:
        raise RecipeError(
            f"members.arch is '{members.arch}', which takes images, and an example of this data "
            f"set has shape {input_shape}; use arch = 'mlp', or images (C, H, W)."
        )
    if members.arch == "densenet":
        return DenseNetStack(
            members.count, input_shape[0], members.depth, members.growth, members.reduction, outputs
        )
    if members.arch == "resnext":
        from jtdiag.engine.architectures.resnext import resnext  # torchvision takes a second

        return resnext(members.count, members.blocks, members.width, input_shape, outputs)
    if min(size_after(side, members.strides) for side in input_shape[1:]) < 1:
        raise RecipeError(
            f"members.filters has {len(members.filters)} layers with strides {members.strides}, "
            f"which leave nothing of images of {input_shape[1]}x{input_shape[2]}; use fewer layers."
        )
    return ConvStack(members.count, input_shape[0], members.filters, members.strides, outputs)
