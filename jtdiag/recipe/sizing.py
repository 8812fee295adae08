"""How the size of a member follows from its width; `jtdiag budget` searches for the width."""

from collections.abc import Callable, Mapping

import attrs


@attrs.frozen(kw_only=True)
class DataShape:
    """Properties of a dataset on which the size of a network depends."""

    name: str
    """As in data.name of a recipe."""
    input_shape: tuple[int, ...]
    """(D,) for features, (C, H, W) for images."""
    classes: int
    examples: int
    """Number of training examples."""
    layout: str = "auto"
    """As in data.layout of a recipe."""


@attrs.frozen(kw_only=True)
class Sizing:
    """Members of one architecture that differ in one integer, their width."""

    parameters: Callable[[int, DataShape], int]
    """Number of parameters of one member of a width; it increases with the width."""
    fields: Callable[[int], Mapping[str, object]]
    """Fields of [members] for a width."""
    size: str
    """How to describe the width, with {} in its place, such as "{} hidden units"."""
    smallest_image: int = 0
    """Height and width of the smallest images; 0 if any input shape is accepted."""
    lam: tuple[float, ...]
    """λs of a recipe written for these members."""
    trials: int
    """Trials of such a recipe."""
    train: Mapping[str, object]
    """Fields of [train] of such a recipe."""
    tune: str
    """Advice on what to tune, as comment lines of such a recipe."""


SCALED_RATES = """\
To tune, for each size separately and on the validation error: train.lr, then train.epochs.
lr is the learning rate of a single network and is multiplied by M. It may be one per λ:
Webb et al. 2020 used {} of it at λ = {}."""
"""Advice for recipes with lr_scale = "members"; {} is a share and λs."""

UNSCALED_RATES = """\
To tune, for each size separately and on the validation error: train.lr, then train.epochs.
lr is not multiplied by M, as in Webb et al. 2020: the effective rate of a member is lr / M.
If you set train.lr_scale = "members", divide weight_decay by M."""
"""Advice for recipes with lr_scale = "none"."""
