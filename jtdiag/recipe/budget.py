"""Spend one budget of parameters on a few wide members or on many narrow ones.

For each number of members, the width is chosen whose total is closest to the budget, and a recipe
can be written. Parameters are counted by formula, without torch.
"""

import os
import zipfile
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs
import numpy as np

from jtdiag.errors import DataError, RecipeError, StoreError, nearest
from jtdiag.recipe import checks, class_labels, toml, wording
from jtdiag.recipe.image_layout import channels_last
from jtdiag.recipe.members import ARCHITECTURES, Architecture
from jtdiag.recipe.sizing import DataShape, Sizing

LARGEST: Final = 10**12
"""Largest budget of parameters."""
_KEYS: Final = ("x_train", "y_train", "x_test", "y_test")
"""Arrays of an .npz file."""
SHAPES: Final = {
    "digits": DataShape(name="digits", input_shape=(1, 8, 8), classes=10, examples=1_297),
    "fashion-mnist": DataShape(
        name="fashion-mnist", input_shape=(1, 28, 28), classes=10, examples=60_000
    ),
}
"""Shapes of the named datasets, which are not loaded."""


@attrs.frozen(kw_only=True)
class Configuration:
    """A number of members, and the width that spends the budget."""

    arch: str
    data: DataShape
    budget: int
    count: int
    """Number of members, M."""
    width: int

    @property
    def architecture(self) -> Architecture:
        """The registered architecture."""
        return ARCHITECTURES.find(self.arch)

    @property
    def sizing(self) -> Sizing:
        """How the size of a member follows from its width."""
        return sizing_of(self.arch)

    @property
    def parameters_per_member(self) -> int:
        """Number of parameters of one member."""
        return self.sizing.parameters(self.width, self.data)

    @property
    def parameters(self) -> int:
        """Number of parameters of all members."""
        return self.count * self.parameters_per_member

    @property
    def difference(self) -> float:
        """Total minus budget, in percent of the budget."""
        return 100 * (self.parameters - self.budget) / self.budget

    @property
    def name(self) -> str:
        """Name of the recipe, such as ``fashion-mnist-mlp-16x64``."""
        return f"{_short(self.data)}-{self.arch}-{self.count}x{self.width}"


def sizable() -> tuple[str, ...]:
    """Return the names of the installed architectures that can be scaled to a budget."""
    return tuple(record.name for record in ARCHITECTURES.all() if record.sizing is not None)


def sizing_of(arch: str) -> Sizing:
    """Return how the size of an architecture follows from its width.

    Raises:
        RecipeError: if there is no such architecture, or it cannot be scaled.
    """
    names = ARCHITECTURES.names()
    sizing = ARCHITECTURES.find(arch).sizing if arch in names else None
    if sizing is None:
        checks.choice("--arch", arch, sizable())
    assert sizing is not None  # the check above has raised
    return sizing


def plan(
    budget: int,
    arch: str,
    data: str,
    members: Iterable[int],
    layout: str = "auto",
    *,
    numbers: bool = False,
) -> tuple[Configuration, ...]:
    """Return the configuration for each number of members.

    Args:
        budget: Number of parameters of all members, at most `LARGEST`.
        arch: One of `sizable`.
        data: One of `SHAPES`, or the path of an .npz file, of which headers and labels are read.
        members: Different numbers of members.
        layout: Order of the axes of images in a file, as in data.layout.
        numbers: Whether the targets are numbers, as in `data_shape`.

    Raises:
        RecipeError: if the budget is too small, or the architecture does not accept such inputs.
        DataError: if the dataset is unknown or cannot be read.
    """
    if not 1 <= budget <= LARGEST:
        raise RecipeError(f"--params is {budget}; it must be a whole number in [1, {LARGEST:,}].")
    sizing = sizing_of(arch)
    shape = data_shape(data, layout, numbers=numbers)
    _check_images(arch, sizing, shape)
    return tuple(
        Configuration(
            arch=arch,
            data=shape,
            budget=budget,
            count=count,
            width=_nearest_width(sizing, shape, budget, count),
        )
        for count in members
    )


def write(configurations: Iterable[Configuration], folder: Path) -> list[Path]:
    """Write a recipe for each configuration into a folder and return the paths.

    Raises:
        StoreError: if one of the files exists, in which case nothing is written, or the folder
            cannot be written.
    """
    texts = {folder / f"{c.name}.toml": recipe_text(c) for c in configurations}
    for path in texts:
        if os.path.lexists(path):
            raise StoreError(f"{path} exists; move it, or choose another folder with --out.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be written ({error.strerror}); choose another folder with --out."
        ) from error
    return list(texts)


# --- width and recipe -----------------------------------------------------------------------------


def _nearest_width(sizing: Sizing, data: DataShape, budget: int, count: int) -> int:
    """Return the width whose total is closest to the budget; the smaller one of two."""

    def total(width: int) -> int:
        return count * sizing.parameters(width, data)

    largest = bisect_right(range(1, budget + 1), budget, key=total)
    if not largest:
        raise RecipeError(
            f"The budget is {budget:,} parameters, but {wording.members(count)} of the smallest "
            f"width have {total(1):,}; increase --params, or use fewer members."
        )
    return min(largest, largest + 1, key=lambda width: abs(total(width) - budget))


def recipe_text(configuration: Configuration) -> str:
    """Return the recipe of a configuration as TOML, with comments."""
    c, sizing = configuration, configuration.sizing
    color_images = len(c.data.input_shape) == 3 and c.data.input_shape[0] == 3
    augment = color_images and c.architecture.images_only
    title = wording.budget_title(
        count=c.count,
        arch=c.arch,
        size=sizing.size.format(c.width),
        data=_short(c.data),
        parameters=c.parameters,
        budget=c.budget,
    )
    lam = f"lam = {list(sizing.lam)}"
    if c.count == 1:
        lam = f"lam = 1  # {wording.ONE_MEMBER}"
    sections: dict[str, Mapping[str, object]] = {
        "data": {
            "name": c.data.name,
            "val": held_out(c.data),
            **({"layout": c.data.layout} if c.data.layout != "auto" else {}),
            **({"augment": ["crop", "flip"]} if augment else {}),
        },
        "members": {"arch": c.arch, "count": c.count, **sizing.fields(c.width)},
        "train": sizing.train,
        "keep": {
            "outputs": [1, 2, 3, "best", "last"],
            "checkpoints": [0, 1, 2, 3, "best", "last"],
        },
    }
    comments = "".join(f"# {line}\n" for line in (title, *sizing.tune.splitlines()))
    name, repeats = toml.dumps({"name": c.name}), toml.dumps({"trials": sizing.trials, "seed": 0})
    return f"{comments}{name}{lam}\n{repeats}\n{toml.dumps(sections)}"


def held_out(data: DataShape) -> int:
    """Return a number of training examples to hold out: a fifth, at most 10,000."""
    return max(1, min(10_000, data.examples // 5))


def _short(data: DataShape) -> str:
    return data.name if data.name in SHAPES else Path(data.name).stem


# --- data -----------------------------------------------------------------------------------------


def data_shape(
    data: str, layout: str = "auto", keys: Sequence[str] = _KEYS, *, numbers: bool = False
) -> DataShape:
    """Return the shape of a named dataset, or of an .npz file without reading its inputs.

    Args:
        data: Name of the dataset, or path of the file.
        layout: Order of the axes of images in a file, as in data.layout.
        keys: Names of the arrays in a file, as in data.keys.
        numbers: Whether the targets are numbers, whose columns then count as classes.

    Raises:
        DataError: if there is no such dataset, or the file is not valid.
    """
    if data in SHAPES:
        return SHAPES[data]
    if not data.endswith(".npz"):
        raise DataError(
            f"There is no dataset '{data}' of known shape.{nearest(data, SHAPES)} "
            f"Use {', '.join(SHAPES)}, or the path of an .npz file."
        )
    if not zipfile.is_zipfile(data):
        raise DataError(f"{data}: there is no such .npz archive; create one with np.savez.")
    names = dict(zip(_KEYS, keys or _KEYS, strict=True))
    try:
        examples, *example_shape = _header(data, names["x_train"])
        if not example_shape:
            raise ValueError(f"{names['x_train']} has shape ({examples},)")
        classes = _columns(data, names["y_train"]) if numbers else _classes(data, names)
    except DataError as error:
        raise DataError(f"{data}: {error}") from error
    except KeyError as error:
        missing = error.args[0]
        raise DataError(
            f"{data}: {missing}; it must contain {', '.join(names.values())}."
        ) from error
    except Exception as error:  # zipfile and numpy raise many kinds for damaged files
        raise DataError(f"{data}: cannot be read ({error}); create it again.") from error
    return DataShape(
        name=data,
        input_shape=_channels_first(data, examples, example_shape, layout),
        classes=classes,
        examples=examples,
        layout=layout,
    )


def _header(path: str, key: str) -> tuple[int, ...]:
    """Return the shape of an array in an .npz file, from its header."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{key}.npy") as file:
        if np.lib.format.read_magic(file) == (1, 0):
            shape, _, _ = np.lib.format.read_array_header_1_0(file)
        else:
            shape, _, _ = np.lib.format.read_array_header_2_0(file)
    return shape


def _columns(path: str, key: str) -> int:
    _, *columns = _header(path, key)
    return columns[0] if columns else 1


def _classes(path: str, names: Mapping[str, str]) -> int:
    """Return the number of classes: of the class names if present, or else of the labels."""
    with np.load(path, allow_pickle=False) as archive:
        classes = archive["classes"] if "classes" in archive.files else None
        labels = {key: archive[names[key]] for key in ("y_train", "y_test")}
    if not all(array.size for array in labels.values()):
        raise DataError("a part has no labels; there must be one label per example.")
    return len(class_labels.read(labels, classes).classes)


def _channels_first(path: str, examples: int, shape: list[int], layout: str) -> tuple[int, ...]:
    """Return the shape of an example as the engine loads it."""
    if len(shape) == 1:
        return tuple(shape)
    if len(shape) == 2:
        return (1, *shape)
    if len(shape) != 3:
        raise DataError(
            f"{path}: one example has shape {tuple(shape)}; it must be (D,), (H, W), (C, H, W) "
            "or (H, W, C)."
        )
    last = channels_last(f"{path}: x_train", (examples, *shape), layout, setting="--layout to")
    return (shape[2], *shape[:2]) if last else tuple(shape)


def _check_images(arch: str, sizing: Sizing, data: DataShape) -> None:
    """Reject inputs that are not images, or too small for the layers."""
    smallest = sizing.smallest_image
    if smallest and (len(data.input_shape) != 3 or min(data.input_shape[1:]) < smallest):
        raise RecipeError(
            f"--arch is {arch}, which takes images of at least {smallest}x{smallest} pixels, but "
            f"an example of {_short(data)} has shape {data.input_shape}; use --arch mlp."
        )
