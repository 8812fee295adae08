"""One budget of parameters, spent on few wide members or on many narrow ones.

For every number of members the width is chosen whose total is nearest to the budget, and a recipe
can be written for each. Parameters are counted by formula, without torch.
"""

import json
import math
import os
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from jtdiag.errors import DataError, RecipeError, StoreError, nearest
from jtdiag.recipe import checks as check

LARGEST: Final = 10**12
"""Parameters of the largest budget."""
DEPTH: Final = 64
"""Of densenets; their growth is what varies."""


@dataclass(frozen=True, kw_only=True)
class DataShape:
    """What the size of a network depends on, and how many examples there are to hold out from."""

    name: str
    """As a recipe's data.name has it."""
    input_shape: tuple[int, ...]
    """(D,) features or (C, H, W) images."""
    classes: int
    examples: int
    """Of the training part."""


_KEYS: Final = ("x_train", "y_train", "x_test", "y_test")
"""Arrays of an .npz file."""

KNOWN: Final = {
    "digits": DataShape(name="digits", input_shape=(1, 8, 8), classes=10, examples=1_297),
    "fashion-mnist": DataShape(
        name="fashion-mnist", input_shape=(1, 28, 28), classes=10, examples=60_000
    ),
}


@dataclass(frozen=True, kw_only=True)
class Family:
    """Members of one architecture that differ in one number, their width."""

    parameters: Callable[[int, DataShape], int]
    """Of one member, by its width; more for more."""
    fields: Callable[[int], Mapping[str, object]]
    """Of [members], by the width."""
    size: str
    """How to say the width, with {} for it."""
    smallest: int
    """Side of the smallest image; 0 for members that take inputs of any shape."""
    lam: tuple[float, ...]
    trials: int
    train: Mapping[str, object]
    """Fields of [train]."""
    tune: str
    """What to tune, in short lines."""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """A number of members, and the width that spends the budget."""

    arch: str
    data: DataShape
    budget: int
    count: int
    """Members, M."""
    width: int

    @property
    def parameters_per_member(self) -> int:
        """Parameters of one member."""
        return FAMILIES[self.arch].parameters(self.width, self.data)

    @property
    def parameters(self) -> int:
        """Parameters of all members."""
        return self.count * self.parameters_per_member

    @property
    def difference(self) -> float:
        """How far the total lies above the budget, in % of it."""
        return 100 * (self.parameters - self.budget) / self.budget

    @property
    def name(self) -> str:
        """The recipe's name, such as ``fashion-mnist-mlp-16x64``."""
        return f"{_short(self.data)}-{self.arch}-{self.count}x{self.width}"


def plan(budget: int, arch: str, data: str, members: Iterable[int]) -> tuple[Configuration, ...]:
    """Return the configuration for each number of members.

    Args:
        budget: Parameters of all members together, `LARGEST` at most.
        arch: One of `FAMILIES`.
        data: One of `KNOWN`, or the path of an .npz file, of which headers and labels are read.
        members: Different numbers of members.

    Raises:
        RecipeError: The budget is too small, or the architecture cannot take such inputs.
        DataError: The data set is unknown or cannot be read.
    """
    if not 1 <= budget <= LARGEST:
        raise RecipeError(f"--params is {budget}; it must be a whole number in [1, {LARGEST:,}].")
    check.choice("--arch", arch, FAMILIES)
    shape = data_shape(data)
    _check_images(arch, shape)
    return tuple(
        Configuration(
            arch=arch,
            data=shape,
            budget=budget,
            count=count,
            width=_nearest_width(FAMILIES[arch], shape, budget, count),
        )
        for count in members
    )


def write(configurations: Iterable[Configuration], folder: Path) -> list[Path]:
    """Write the configurations' recipes into a folder and return their paths.

    Raises:
        StoreError: A file of that name exists, and nothing was written; or the folder refuses.
    """
    texts = {folder / f"{c.name}.toml": recipe_text(c) for c in configurations}
    for path in texts:
        if os.path.lexists(path):
            raise StoreError(f"{path} exists; move it away, or name another folder with --out.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be written ({error.strerror}); name another folder with --out."
        ) from error
    return list(texts)


# --- width and recipe -----------------------------------------------------------------------------


def _nearest_width(family: Family, data: DataShape, budget: int, count: int) -> int:
    """Return the width whose total is nearest to the budget; of two, the smaller."""

    def total(width: int) -> int:
        return count * family.parameters(width, data)

    fitting = bisect_right(range(1, budget + 1), budget, key=total)
    if not fitting:
        raise RecipeError(
            f"The budget is {budget:,} parameters, and {count} members of the smallest width have "
            f"{total(1):,}; raise --params, or ask for fewer members."
        )
    return min(fitting, fitting + 1, key=lambda width: abs(total(width) - budget))


def recipe_text(configuration: Configuration) -> str:
    """Return a configuration's recipe as TOML, with comments."""
    c, family = configuration, FAMILIES[configuration.arch]
    photographs = len(c.data.input_shape) == 3 and c.data.input_shape[0] == 3
    augment = {"augment": ["crop", "flip"]} if c.arch != "mlp" and photographs else {}
    lam = f"lam = {list(family.lam)}"
    if c.count == 1:
        lam = "lam = 1  # with one member, every lambda is the same loss"
    sections: dict[str, Mapping[str, object]] = {
        "data": {"name": c.data.name, "val": _held_out(c.data), **augment},
        "members": {"arch": c.arch, "count": c.count, **family.fields(c.width)},
        "train": family.train,
        "keep": {
            "outputs": [1, 2, 3, "best", "last"],
            "checkpoints": [0, 1, 2, 3, "best", "last"],
        },
    }
    lines = [
        f"# {c.count} {c.arch} member{'s' if c.count > 1 else ''} of {family.size.format(c.width)} "
        f"on {_short(c.data)}: {c.parameters:,} parameters, for a budget of {c.budget:,}.",
        *(f"# {line}" for line in family.tune.splitlines()),
        *_toml({"name": c.name}),
        lam,
        *_toml({"trials": family.trials, "seed": 0}),
    ]
    for name, fields in sections.items():
        lines += ["", f"[{name}]", *_toml(fields)]
    return "\n".join(lines) + "\n"


def _held_out(data: DataShape) -> int:
    return max(1, min(10_000, data.examples // 5))


def _toml(fields: Mapping[str, object]) -> list[str]:
    # JSON's text, numbers and lists are TOML's.
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]


def _short(data: DataShape) -> str:
    return data.name if data.name in KNOWN else Path(data.name).stem


# --- data -----------------------------------------------------------------------------------------


def data_shape(data: str) -> DataShape:
    """Return the shape of a data set by its name, or of an .npz file without reading its inputs.

    Raises:
        DataError: There is no such data set, or the file is not what it should be.
    """
    if data in KNOWN:
        return KNOWN[data]
    if not data.endswith(".npz"):
        raise DataError(
            f"There is no data set '{data}' whose shape is known.{nearest(data, KNOWN)} "
            f"Known are {', '.join(KNOWN)}, and the path of an .npz file."
        )
    if not zipfile.is_zipfile(data):
        raise DataError(f"{data}: there is no such .npz archive; write it with np.savez.")
    try:
        examples, *one = _header(data, "x_train")
        classes = _classes(data)
    except KeyError as error:
        raise DataError(f"{data}: {error.args[0]}; it must hold {', '.join(_KEYS)}.") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{data}: cannot be read ({error}); write it again.") from error
    return DataShape(
        name=data, input_shape=_channels_first(data, one), classes=classes, examples=examples
    )


def _header(path: str, key: str) -> tuple[int, ...]:
    """Return the shape that an array's header in an .npz file says."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{key}.npy") as file:
        if np.lib.format.read_magic(file) == (1, 0):
            shape, _, _ = np.lib.format.read_array_header_1_0(file)
        else:
            shape, _, _ = np.lib.format.read_array_header_2_0(file)
    if len(shape) < 2:
        raise ValueError(f"{key} has shape {shape}")
    return shape


def _classes(path: str) -> int:
    """Return the number of classes: of those that are named, or else of the labels."""
    with np.load(path, allow_pickle=False) as archive:
        if "classes" in archive.files:
            return len(archive["classes"])
        labels: list[NDArray[Any]] = [archive["y_train"], archive["y_test"]]
    if any(y.dtype.kind not in "iu" or not y.size for y in labels):
        raise ValueError("labels must be whole numbers, one per example")
    return 1 + max(int(y.max()) for y in labels)


def _channels_first(path: str, one: list[int]) -> tuple[int, ...]:
    """Return the shape of one example as the engine will have it, by the rules of its manual."""
    channels = (1, 3, 4)
    if len(one) == 2:
        return (1, *one)
    if len(one) == 3 and one[2] in channels and one[0] not in channels:
        return (one[2], *one[:2])
    if len(one) == 1 or (len(one) == 3 and one[2] not in channels):
        return tuple(one)
    raise DataError(
        f"{path}: one example has shape {tuple(one)}; it must be (D,), (H, W), (C, H, W) "
        "or (H, W, C) with 1, 3 or 4 channels, and only one of the last two may fit."
    )


def _check_images(arch: str, data: DataShape) -> None:
    """Refuse inputs of which nothing would be left in the last layer."""
    smallest = FAMILIES[arch].smallest
    if smallest and (len(data.input_shape) != 3 or min(data.input_shape[1:]) < smallest):
        raise RecipeError(
            f"--arch is {arch}, which takes images of at least {smallest}x{smallest} pixels, and "
            f"an example of {_short(data)} has shape {data.input_shape}; use --arch mlp."
        )


# --- families -------------------------------------------------------------------------------------


def _perceptron(width: int, data: DataShape) -> int:
    return width * (math.prod(data.input_shape) + 1) + data.classes * (width + 1)


def _filters(width: int) -> list[int]:
    return [width, 2 * width, 2 * width, 4 * width, 4 * width]


def _convnet(width: int, data: DataShape) -> int:
    filters = _filters(width)
    before = [data.input_shape[0], *filters[:-1]]
    layers = sum(9 * b * f + f for b, f in zip(before, filters, strict=True))
    return layers + data.classes * (filters[-1] + 1)


def _densenet(growth: int, data: DataShape) -> int:
    """Count by the recipe of DenseNet-BC: three blocks, and transitions that keep one half."""
    width = 2 * growth
    total = 9 * data.input_shape[0] * width
    for block in range(3):
        for _ in range((DEPTH - 4) // 6):
            between = 4 * growth
            total += 2 * width + width * between + 2 * between + 9 * between * growth
            width += growth
        if block < 2:
            total += 2 * width + width * (width // 2)
            width //= 2
    return total + 2 * width + data.classes * (width + 1)


_SCALED: Final = """\
To tune, for each size by itself and by validation error: train.lr, then train.epochs.
lr is that of one network and is multiplied by M. It may be one per λ: Webb et al. 2020
took {} of it at λ = {}."""

_UNSCALED: Final = """\
To tune, for each size by itself and by validation error: train.lr, then train.epochs.
lr is not multiplied by M, as with Webb et al. 2020: a member's own step is lr / M. If you set
train.lr_scale = "members", divide weight_decay by M."""

FAMILIES: Final[Mapping[str, Family]] = {
    "mlp": Family(
        parameters=_perceptron,
        fields=lambda width: {"hidden": [width]},
        size="{} hidden units",
        smallest=0,
        lam=(0, 0.5, 0.8, 0.9, 0.95, 0.99, 1),
        trials=5,
        train={"epochs": 200, "batch": 100, "lr": 0.02, "lr_scale": "members"},
        tune=_SCALED.format("0.3", "0.99 and 1"),
    ),
    "conv": Family(
        parameters=_convnet,
        fields=lambda width: {"filters": _filters(width), "strides": [1, 2, 1, 2, 1]},
        size="{} filters in the first layer",
        smallest=21,
        lam=(0, 0.5, 0.8, 0.9, 0.95, 0.97, 0.99, 1),
        trials=5,
        train={"epochs": 400, "batch": 100, "lr": 0.006, "lr_scale": "members"},
        tune=_SCALED.format("a third", "1"),
    ),
    "densenet": Family(
        parameters=_densenet,
        fields=lambda width: {"depth": DEPTH, "growth": width},
        size="growth {}",
        smallest=4,
        lam=(0, 0.5, 0.9, 1),
        trials=3,
        train={
            "epochs": 300,
            "batch": 64,
            "lr": 0.1,
            "weight_decay": 1e-4,
            "milestones": [150, 225],
        },
        tune=_UNSCALED,
    ),
}
