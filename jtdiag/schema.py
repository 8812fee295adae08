"""What a store holds: every array with its dimensions, chunks, unit and meaning.

Arrays are allocated at their full shape when a run begins, so that lanes write disjoint chunks
and need no lock. Weights and logits hardly compress, so their chunks are plain arrays with a
checksum: the size announced before a run is the size it takes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from jtdiag import lanes, names
from jtdiag.recipe import Recipe

CHUNK_BYTES = 32 * 2**20
"""Outputs are read and checked in pieces of about this size."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of one member: its shape and the names of its dimensions."""

    shape: tuple[int, ...]
    dims: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Extent:
    """The sizes that only data and members know."""

    examples: Mapping[str, int]
    """Examples in each split."""
    outputs: int
    """Outputs of a member, K."""
    parameters: dict[str, Parameter]
    buffers: dict[str, Parameter] = field(default_factory=dict)
    """Numbers of a member that are not trained, such as BatchNorm's running statistics."""
    memory: int = 0
    """Bytes that the optimiser remembers of a lane from step to step."""

    @property
    def parameters_per_member(self) -> int:
        """Numbers in one member; in the whole network, where members are its branches."""
        return sum(math.prod(p.shape) for p in self.parameters.values())


@dataclass(frozen=True, kw_only=True)
class Array:
    """One array of a store."""

    path: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: str
    unit: str
    meaning: str
    compressed: bool = False


def arrays(recipe: Recipe, extent: Extent) -> list[Array]:
    """Return every array that the store of a recipe allocates."""
    result = _metrics(recipe)
    for split in recipe.keep.splits:
        if recipe.keep.outputs != "none":
            result += _outputs(recipe, extent, split)
    if recipe.keep.checkpoints != "none":
        result += _checkpoints(recipe, extent)
    return result


def _lane_dims(recipe: Recipe) -> dict[str, int]:
    return {
        names.LAM: len(recipe.lam),
        names.TRIAL: recipe.trials,
        names.EPOCH: recipe.train.epochs + 1,
    }


def _metrics(recipe: Recipe) -> list[Array]:
    """Return the metrics: one chunk a lane, rewritten whole, so that a reader sees whole epochs."""
    ensemble = {**_lane_dims(recipe), names.SPLIT: len(recipe.splits)}
    member = {**ensemble, names.MEMBER: recipe.members.count}
    found = []
    for name, sizes, unit, meaning in (
        (names.MEMBER_LOSS, member, names.NAT, "mean negative log-likelihood of a member"),
        (names.MEMBER_ERROR, member, names.FRACTION, "fraction that a member gets wrong"),
        (names.ENSEMBLE_LOSS, ensemble, names.NAT, "mean negative log-likelihood of the ensemble"),
        (names.ENSEMBLE_ERROR, ensemble, names.FRACTION, "fraction that the ensemble gets wrong"),
    ):
        shape = tuple(sizes.values())
        array = Array(
            path=f"{names.METRICS}/{name}",
            dims=tuple(sizes),
            shape=shape,
            chunks=(1, 1, *shape[2:]),
            dtype="float64",
            unit=unit,
            meaning=f"{meaning}; train: running mean over an epoch, before each update",
            compressed=True,
        )
        found.append(array)
    return found


def _outputs(recipe: Recipe, extent: Extent, split: str) -> list[Array]:
    sizes = {
        **_lane_dims(recipe),
        names.MEMBER: recipe.members.count,
        names.EXAMPLE: extent.examples[split],
        names.OUTPUT: extent.outputs,
    }
    shape = tuple(sizes.values())
    row = recipe.members.count * extent.outputs * _itemsize(recipe.keep.dtype)
    pieces = math.ceil(shape[4] * row / CHUNK_BYTES)
    logits = Array(
        path=f"{names.OUTPUTS}/{split}/{names.LOGITS}",
        dims=tuple(sizes),
        shape=shape,
        chunks=(1, 1, 1, shape[3], math.ceil(shape[4] / pieces), shape[5]),
        dtype=recipe.keep.dtype,
        unit=names.NAT,
        meaning="canonical parameters of every member's prediction",
    )
    return [logits, *_examples(recipe, split, extent.examples[split])]


def _examples(recipe: Recipe, split: str, count: int) -> list[Array]:
    """Return target and origin of the examples; only the test split is the same in all trials."""
    sizes = {names.TRIAL: recipe.trials} if split != names.TEST else {}
    sizes[names.EXAMPLE] = count
    shape = tuple(sizes.values())
    return [
        Array(
            path=f"{names.OUTPUTS}/{split}/{name}",
            dims=tuple(sizes),
            shape=shape,
            chunks=shape,
            dtype="int64",
            unit=names.INDEX,
            meaning=meaning,
        )
        for name, meaning in (
            (names.TARGET, "class of an example"),
            (names.SOURCE_INDEX, "position of an example in the data set's own part"),
        )
    ]


def _checkpoints(recipe: Recipe, extent: Extent) -> list[Array]:
    lane = _lane_dims(recipe)
    result = []
    for name, parameter in (extent.parameters | extent.buffers).items():
        member = {} if recipe.members.branched else {names.MEMBER: recipe.members.count}
        one = (*member.values(), *parameter.shape)
        array = Array(
            path=f"{names.CHECKPOINTS}/{name}",
            dims=(*lane, *member, *parameter.dims),
            shape=(*lane.values(), *one),
            chunks=(1, 1, 1, *one),
            dtype=recipe.engine.precision,
            unit=names.FRACTION,
            meaning="parameter" if name in extent.parameters else "buffer",
        )
        result.append(array)
    return result


def _itemsize(dtype: str) -> int:
    return int(dtype.removeprefix("float")) // 8


@dataclass(frozen=True, kw_only=True)
class Size:
    """Bytes that a run needs on disk, by what takes them."""

    metrics: int
    outputs: int
    checkpoints: int
    resuming: int
    """State that only resuming needs; it goes when a lane is done."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.metrics + self.outputs + self.checkpoints + self.resuming


def readable(count: float) -> str:
    """Return a number of bytes as a person says it."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def size(recipe: Recipe, extent: Extent) -> Size:
    """Return how large the store of a recipe becomes, in bytes; metrics count uncompressed."""
    count = len(lanes.lanes_of(recipe))
    numbers = sum(math.prod(p.shape) for p in (extent.parameters | extent.buffers).values())
    weights = numbers * recipe.members.copies * _itemsize(recipe.engine.precision)
    examples = sum(extent.examples[split] for split in recipe.keep.splits)
    epoch = examples * recipe.members.count * extent.outputs * _itemsize(recipe.keep.dtype)
    epochs = recipe.train.epochs
    return Size(
        metrics=sum(8 * math.prod(array.shape) for array in _metrics(recipe)),
        outputs=count * epoch * lanes.most_kept(recipe.keep.outputs, epochs),
        checkpoints=count * weights * lanes.most_kept(recipe.keep.checkpoints, epochs),
        resuming=count * (weights + extent.memory),
    )
