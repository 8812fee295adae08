"""The layout of a store: every array with its dimensions, chunks, unit and meaning.

Arrays are allocated at full shape when a run is created, so lanes write disjoint chunks and need
no lock. Weights and logits are stored uncompressed with a checksum, since they hardly compress:
so the size estimated before a run is the size on disk.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.recipe.recipe import Recipe
from jtdiag.store import lanes

CHUNK_BYTES = 32 * 2**20
"""Approximate size of a chunk of outputs, which are read chunk by chunk."""
RUNNING = "running mean over an epoch, before each update"
"""What a metric of the training split is."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter or buffer of one member: its shape, the names of its dimensions, its type."""

    shape: tuple[int, ...]
    dims: tuple[str, ...]
    dtype: str = ""
    """Type of its values, such as "int64"; empty: the precision of the engine."""

    def stored_dtype(self, precision: str) -> str:
        """Return the type in a store, given the precision of the engine."""
        return self.dtype or precision


@dataclass(frozen=True, kw_only=True)
class ModuleFacts:
    """What a store says about one module of a member."""

    name: str
    """Name of its last layer."""
    start: int
    """Number of layers before its first one."""
    stop: int
    """Number of layers up to its last one."""
    parameters: int
    """Number of its trained parameters, of one member."""
    trained_until: int = 0
    """Last epoch in which it is trained; 0 if it is not."""


@dataclass(frozen=True, kw_only=True)
class TargetFacts:
    """Facts about targets and errors that readers need; the defaults are those of classes."""

    numbers: bool = False
    """Whether a target is K numbers instead of a class."""
    error_measure: str = "fraction wrong"
    """Description of the error."""
    chance_error: float | None = None
    """Error at chance level; None: that of a uniform guess among the classes."""
    chance_loss: float | None = None
    """Loss at chance level, in nats; None: unknown, or that of a uniform guess among the
    classes."""
    error_scale: float = 1.0
    """What the family's errors were divided by to become fractions."""
    mean: tuple[float, ...] = ()
    """Mean per output that was subtracted from standardized targets."""
    sd: tuple[float, ...] = ()
    """Standard deviation per output that standardized targets were divided by."""

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes of the store that record these facts."""
        values = {
            "error_measure": self.error_measure,
            "chance_error": self.chance_error,
            "chance_loss": self.chance_loss,
            "error_scale": self.error_scale,
            "predicts_classes": not self.numbers,
        }
        moments = {"target_mean": list(self.mean), "target_sd": list(self.sd)} if self.sd else {}
        return {k: v for k, v in (values | moments).items() if v is not None}


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Sizes that depend on the data and the members."""

    examples: Mapping[str, int]
    """Number of examples in each split."""
    outputs: int
    """Outputs of a member, K."""
    output_names: tuple[str, ...] = ()
    """Names of the K classes or outputs; empty if they have none."""
    parameters: dict[str, Parameter]
    """Trained parameters of a member."""
    frozen: dict[str, Parameter] = field(default_factory=dict)
    """Parameters of a member that are not trained, such as those of a pretrained layer."""
    buffers: dict[str, Parameter] = field(default_factory=dict)
    """Tensors of a member that are not trained, such as running statistics of BatchNorm."""
    modules: tuple[ModuleFacts, ...] = ()
    """Modules of a member, the head last; empty if it is trained as a whole."""
    local_heads: bool = False
    """Whether the error of every module is measured."""
    auxiliaries: dict[str, Parameter] = field(default_factory=dict)
    """Parameters that are learned beside a member, such as those of local heads."""
    memory: int = 0
    """Size in bytes of the optimizer state of a lane."""
    targets: TargetFacts = field(default_factory=TargetFacts)

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes of the store that record facts about the targets and the training split."""
        count = self.examples.get(names.TRAIN)
        known: dict[str, Any] = {} if count is None else {names.TRAINING_EXAMPLES: count}
        if self.output_names:
            known[names.OUTPUT_NAMES] = list(self.output_names)
        return known | self.targets.attributes

    @property
    def parameters_per_member(self) -> int:
        """Number of parameters of a member, with frozen ones; of the network if it has branches."""
        return sum(math.prod(p.shape) for p in (self.parameters | self.frozen).values())

    @property
    def tensors(self) -> dict[str, Parameter]:
        """All that a checkpoint keeps of a member."""
        return self.parameters | self.frozen | self.buffers | self.auxiliaries

    def meaning(self, name: str) -> str:
        """Return what a tensor of a member is."""
        if name in self.frozen:
            return names.FROZEN_PARAMETER
        if name in self.auxiliaries:
            return "parameter that is learned beside the member"
        return "parameter" if name in self.parameters else "buffer"


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
    result = _metrics(recipe, extent.targets.error_measure)
    if not recipe.members.branched:  # branches of one network share parameters
        result.append(_displacement(recipe))
    if recipe.objective.lam_schedule != "constant" or recipe.alerts.lowers:
        result.append(_lam_at(recipe))
    result += _modules(extent) + _module_metrics(recipe, extent)
    if recipe.scheme == "bagging":
        result += _bootstraps(recipe, extent)
    if not recipe.members.starts_equal:
        result.append(_start_factors(recipe))
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


def _bootstraps(recipe: Recipe, extent: Extent) -> list[Array]:
    """Return the arrays that record which examples each member was trained on."""
    each = {names.TRIAL: recipe.trials, names.EXAMPLE: extent.examples[names.TRAIN]}
    members = {names.TRIAL: recipe.trials, names.MEMBER: recipe.members.count, **each}
    drawn = "how often a member has drawn an example of the training split"
    index = "position of a training example in the data set's own part"
    return [
        Array(
            path=path,
            dims=tuple(sizes),
            shape=tuple(sizes.values()),
            chunks=(1, *tuple(sizes.values())[1:]),
            dtype=dtype,
            unit=unit,
            meaning=meaning,
            compressed=True,
        )
        for path, sizes, dtype, unit, meaning in (
            (names.BOOTSTRAP_COUNT, members, "int16", names.COUNT, drawn),
            (names.BOOTSTRAP_SOURCE, each, "int64", names.INDEX, index),
        )
    ]


def _start_factors(recipe: Recipe) -> Array:
    """Return the array of the starting factors, which are the same for every λ."""
    shape = (recipe.trials, recipe.members.count)
    return Array(
        path=names.START_FACTORS,
        dims=(names.TRIAL, names.MEMBER),
        shape=shape,
        chunks=shape,
        dtype="float64",
        unit=names.FRACTION,
        meaning="factor by which a member's initial weights and biases were multiplied",
    )


def _lam_at(recipe: Recipe) -> Array:
    """Return the array of λ by epoch: the schedule's value until a rule lowers it."""
    meaning = "λ with which training descended in an epoch; the coordinate lam is where it arrives"
    return _by_lane(recipe, names.LAM_AT, {}, meaning)


def _displacement(recipe: Recipe) -> Array:
    """Return the array of the distances from initialization."""
    members = {names.MEMBER: recipe.members.count}
    meaning = "Euclidean distance of a member's parameters from epoch 0"
    return _by_lane(recipe, names.DISPLACEMENT, members, meaning, compressed=True)


def _by_lane(
    recipe: Recipe,
    name: str,
    extra_dims: dict[str, int],
    meaning: str,
    *,
    compressed: bool = False,
    unit: str = names.FRACTION,
) -> Array:
    """Return a metric: one chunk per lane, replaced as a unit, so readers see whole epochs."""
    sizes = _lane_dims(recipe) | extra_dims
    shape = tuple(sizes.values())
    return Array(
        path=f"{names.METRICS}/{name}",
        dims=tuple(sizes),
        shape=shape,
        chunks=(1, 1, *shape[2:]),
        dtype="float64",
        unit=unit,
        meaning=meaning,
        compressed=compressed,
    )


def _metrics(recipe: Recipe, error: str = "fraction wrong") -> list[Array]:
    """Return the metrics of members and ensembles."""
    ensemble = {names.SPLIT: len(recipe.splits)}
    member = {**ensemble, names.MEMBER: recipe.members.count}
    own = recipe.bootstrap == "batches"
    when = "after the epoch" if own else RUNNING
    return [
        _by_lane(recipe, name, sizes, f"{meaning}; train: {when}", compressed=True, unit=unit)
        for name, sizes, unit, meaning in (
            (names.MEMBER_LOSS, member, names.NAT, "mean negative log-likelihood of a member"),
            (names.MEMBER_ERROR, member, names.FRACTION, f"error of a member: {error}"),
            (
                names.ENSEMBLE_LOSS,
                ensemble,
                names.NAT,
                "mean negative log-likelihood of the ensemble",
            ),
            (names.ENSEMBLE_ERROR, ensemble, names.FRACTION, f"error of the ensemble: {error}"),
        )
    ]


MODULE_FACTS = {
    "first_layer": (names.INDEX, "number of layers before the first layer of a module"),
    "end_layer": (names.INDEX, "number of layers up to the last layer of a module"),
    "parameters": (names.COUNT, "trained parameters of a module, of one member"),
    "trained_until": (names.INDEX, "last epoch in which a module is trained; 0 if it is not"),
}
"""Arrays of the group `modules`, with unit and meaning."""


def _modules(extent: Extent) -> list[Array]:
    """Return the arrays that say which layers are a module; none if there are no modules."""
    if not extent.modules:
        return []
    shape = (len(extent.modules),)
    return [
        Array(
            path=f"{names.MODULES}/{name}",
            dims=(names.MODULE,),
            shape=shape,
            chunks=shape,
            dtype="int64",
            unit=unit,
            meaning=meaning,
        )
        for name, (unit, meaning) in MODULE_FACTS.items()
    ]


def module_facts(extent: Extent) -> dict[str, NDArray[np.int64]]:
    """Return the contents of the group `modules`, by path."""
    facts = [(m.start, m.stop, m.parameters, m.trained_until) for m in extent.modules]
    columns = np.array(facts, dtype=np.int64).reshape(-1, len(MODULE_FACTS)).T
    paths = [f"{names.MODULES}/{name}" for name in MODULE_FACTS]
    return dict(zip(paths, columns, strict=True)) if facts else {}


def _module_metrics(recipe: Recipe, extent: Extent) -> list[Array]:
    """Return the metrics of modules; none if there are no modules."""
    if not extent.modules:
        return []
    sizes = {
        names.SPLIT: len(recipe.splits),
        names.MEMBER: recipe.members.count,
        names.MODULE: len(extent.modules),
    }
    of_heads = extent.targets.error_measure
    described = {
        names.MODULE_LOSS: (names.NAT, "mean loss of a module's local head; of the member, last"),
        names.MODULE_ERROR: (names.FRACTION, f"error of a module's local head: {of_heads}"),
        names.DEAD_ROWS: (names.FRACTION, "share of examples for which a module returns only 0"),
    }
    return [
        _by_lane(recipe, name, sizes, f"{meaning}; train: {RUNNING}", compressed=True, unit=unit)
        for name, (unit, meaning) in described.items()
        if extent.local_heads or name == names.DEAD_ROWS
    ] + [
        *(_credit_metric(recipe, extent, name) for name in recipe.modules.record.metrics),
        *_training_module(recipe),
    ]


def _training_module(recipe: Recipe) -> list[Array]:
    """Return the metric that names the module an epoch trains; none if it trains all."""
    if not recipe.modules.record.one_by_one:
        return []
    meaning = "index of the module that the epoch trains; missing before training"
    return [_by_lane(recipe, names.TRAINING_MODULE, {}, meaning, unit=names.INDEX)]


def _credit_metric(recipe: Recipe, extent: Extent, name: str) -> Array:
    """Return a metric that a credit measures in training."""
    unit, meaning = recipe.modules.record.metrics[name]
    sizes = {
        names.MEMBER: recipe.members.count,
        names.MODULE: len(extent.modules),
    }
    when = "over the steps of an epoch, before each update"
    return _by_lane(recipe, name, sizes, f"{meaning}; {when}", compressed=True, unit=unit)


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
    return [logits, *_examples(recipe, split, extent)]


def _examples(recipe: Recipe, split: str, extent: Extent) -> list[Array]:
    """Return targets and source indices; only the test split is the same in all trials."""
    sizes = {names.TRIAL: recipe.trials} if split != names.TEST else {}
    sizes[names.EXAMPLE] = extent.examples[split]
    target = _target(sizes, extent)
    index = "position of an example in the data set's own part"
    return [
        Array(
            path=f"{names.OUTPUTS}/{split}/{name}",
            dims=tuple(dims),
            shape=tuple(dims.values()),
            chunks=tuple(dims.values()),
            dtype=dtype,
            unit=unit,
            meaning=meaning,
        )
        for name, dims, dtype, unit, meaning in (
            (names.TARGET, *target),
            (names.SOURCE_INDEX, sizes, "int64", names.INDEX, index),
        )
    ]


def _target(sizes: dict[str, int], extent: Extent) -> tuple[dict[str, int], str, str, str]:
    """Return dimensions, dtype, unit and meaning of targets."""
    if not extent.targets.numbers:
        return sizes, "int64", names.INDEX, "class of an example"
    meaning = "numbers to predict" + (
        ", standardised by target_mean and target_sd" if extent.targets.sd else ""
    )
    return {**sizes, names.OUTPUT: extent.outputs}, "float64", names.FRACTION, meaning


def _checkpoints(recipe: Recipe, extent: Extent) -> list[Array]:
    lane = _lane_dims(recipe)
    result = []
    for name, parameter in extent.tensors.items():
        member = {} if recipe.members.branched else {names.MEMBER: recipe.members.count}
        inner = (*member.values(), *parameter.shape)
        array = Array(
            path=f"{names.CHECKPOINTS}/{name}",
            dims=(*lane, *member, *parameter.dims),
            shape=(*lane.values(), *inner),
            chunks=(1, 1, 1, *inner),
            dtype=parameter.stored_dtype(recipe.engine.precision),
            unit=names.FRACTION,
            meaning=extent.meaning(name),
        )
        result.append(array)
    return result


def _itemsize(dtype: str) -> int:
    return np.dtype(dtype).itemsize


@dataclass(frozen=True, kw_only=True)
class Size:
    """Disk space of a run in bytes, by kind."""

    metrics: int
    """Metrics and bootstrap counts before compression."""
    outputs: int
    checkpoints: int
    resuming: int
    """State for resuming; it is removed when a lane is done."""

    def __sub__(self, other: "Size") -> "Size":
        """Return what one run takes more than another."""
        return Size(
            metrics=self.metrics - other.metrics,
            outputs=self.outputs - other.outputs,
            checkpoints=self.checkpoints - other.checkpoints,
            resuming=self.resuming - other.resuming,
        )

    @property
    def total(self) -> int:
        """Total in bytes."""
        return self.metrics + self.outputs + self.checkpoints + self.resuming


def readable(count: float) -> str:
    """Format a number of bytes, such as "1.2 GB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def size(recipe: Recipe, extent: Extent) -> Size:
    """Return the size of a recipe's store in bytes, counting metrics uncompressed."""
    count = len(lanes.lanes_of(recipe))
    member = sum(
        math.prod(p.shape) * _itemsize(p.stored_dtype(recipe.engine.precision))
        for p in extent.tensors.values()
    )
    weights = member * recipe.members.copies
    examples = sum(extent.examples[split] for split in recipe.keep.splits)
    epoch = examples * recipe.members.count * extent.outputs * _itemsize(recipe.keep.dtype)
    epochs = recipe.train.epochs
    bootstraps = _bootstraps(recipe, extent) if recipe.scheme == "bagging" else []
    return Size(
        metrics=sum(
            8 * math.prod(array.shape)
            for array in arrays(recipe, extent)
            if array.path.startswith(names.METRICS)
        )
        + sum(_itemsize(array.dtype) * math.prod(array.shape) for array in bootstraps),
        outputs=count * epoch * lanes.most_kept(recipe.keep.outputs, epochs),
        checkpoints=count * weights * lanes.most_kept(recipe.keep.checkpoints, epochs),
        resuming=count * (weights + extent.memory),
    )
