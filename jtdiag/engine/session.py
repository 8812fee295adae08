"""What a run needs before its first step: the device, the data, the members, and their sizes."""

import functools
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import cast

import joblib
import numpy as np
import torch
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.engine import architectures, optimisers
from jtdiag.engine.architectures.module_stack import Execution, Factory, ModuleStack
from jtdiag.engine.datasets import bootstrap, splits as datasets
from jtdiag.engine.early_warning import EarlyWarning
from jtdiag.engine.execution import Choice, Way, fastest, ways
from jtdiag.engine.lane_group import EVALUATION_BATCH, LaneGroup
from jtdiag.errors import RecipeError
from jtdiag.recipe.recipe import Recipe
from jtdiag.store import lanes
from jtdiag.store.lanes import Lane
from jtdiag.store.layout import Extent
from jtdiag.store.writer import Examples

SMALL_STEP = 20_000_000
"""Products of weights and examples in a step below which one CPU thread is used."""

CPU_ACTIVATIONS = 2 * 2**30
"""Bytes of activations that a training step on a CPU may hold."""
ACTIVATION_SAMPLE = 4
"""Examples on which the activations of one member are measured."""
MEASURING_SHARE = 8
"""Times as many examples as a training step holds fit without what its backward pass keeps."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """A recipe with everything it names at hand."""

    recipe: Recipe
    device: torch.device
    data: datasets.DataSet
    stack: ModuleStack
    choice: Choice
    recorded: Mapping[str, str] = field(default_factory=dict)
    """Settings of the run that this session continues."""

    @classmethod
    def of(
        cls, recipe: Recipe, device: str | None = None, factory: Factory | None = None
    ) -> "Session":
        """Return a session for a recipe, on its device or on another.

        Args:
            recipe: What is to run.
            device: Instead of the recipe's.
            factory: Makes a member, where members.factory is not an address.

        Raises:
            DataError: if the data are missing or do not fit.
            RecipeError: if the device is not there.
        """
        there = _device(device or recipe.engine.device)
        data = datasets.load(recipe, there)
        stack = architectures.build(recipe.members, data.input_shape, len(data.classes), factory)
        choice = Choice(way=Way(execution=stack.executions[0]))
        return cls(recipe=recipe, device=there, data=data, stack=stack, choice=choice)

    @property
    def way(self) -> Way:
        """How members are computed."""
        return self.choice.way

    def in_fastest_way(self) -> "Session":
        """Return the session with the way of computing members that is fastest here."""
        choices = ways(self.recipe, self.stack, images=len(self.data.input_shape) == 3)
        trial = self.lane_group(self.groups()[0])
        with torch_threads(self.threads):
            return replace(self, choice=fastest(choices, trial.try_step, self.device))

    def in_way(self, settings: Mapping[str, str]) -> "Session":
        """Return the session with the way of computing that a run's settings record."""
        way = Way(
            execution=cast(Execution, settings.get("execution", self.way.execution)),
            bfloat16=settings.get("products") == "bfloat16",
            channels_last=settings.get("layout") == "channels_last",
        )
        return replace(self, choice=Choice(way=way), recorded=settings)

    def lane_group(self, lanes: Sequence[Lane]) -> LaneGroup:
        """Return a group of lanes at its initial weights, computed in the session's way."""
        return LaneGroup(
            self.recipe,
            lanes,
            self.data,
            self.stack,
            self.device,
            self.way,
            at_once=self.at_once,
            evaluation_batch=self.evaluation_batch,
        )

    @functools.cached_property
    def at_once(self) -> int:
        """Members whose activations a training step holds at once."""
        wanted = self.recipe.engine.micro_members
        if wanted == "auto":
            wanted = self.recorded.get("micro_members", "auto")
        if wanted != "auto":
            return min(int(wanted), self.stack.count)
        one = self._activations * self.recipe.train.batch
        return max(1, min(self.stack.count, int(self._activation_room() / one)))

    @functools.cached_property
    def evaluation_batch(self) -> int:
        """Examples that are measured at once."""
        if "evaluation_batch" in self.recorded:
            return int(self.recorded["evaluation_batch"])
        one = self._activations * self.stack.count
        fitting = int(MEASURING_SHARE * self._activation_room() / one)
        return max(1, min(EVALUATION_BATCH, fitting))

    @functools.cached_property
    def _activations(self) -> float:
        """Bytes that a training step keeps of one member and example, for its lanes together."""
        x = self.data.part(names.TRAIN).x
        few = x[:ACTIVATION_SAMPLE].clone()  # a storage of its own, to be counted
        one = self.stack.activation_bytes(few) / len(few)
        return one * len(self.groups()[0]) * x.element_size() / 4

    def _activation_room(self) -> int:
        """Return the bytes that activations may take: on a CPU, more would not make it faster."""
        if self.device.type == "cuda":
            return torch.cuda.mem_get_info(self.device)[0] // 2
        return CPU_ACTIVATIONS

    @property
    def extent(self) -> Extent:
        """Sizes of data and members."""
        return Extent(
            examples={split: self.data.count(split) for split in self.recipe.splits},
            outputs=len(self.data.classes),
            parameters=dict(self.stack.parameters),
            buffers=dict(self.stack.buffers),
            memory=self._optimiser_bytes(),
            targets=self.data.target_facts,
        )

    def _optimiser_bytes(self) -> int:
        """Return what the optimiser remembers of a lane, by tensors that hold no numbers."""
        dtype = getattr(torch, self.recipe.engine.precision)
        weights = {
            name: torch.empty((1, self.stack.count, *p.shape), dtype=dtype, device="meta")
            for name, p in self.stack.parameters.items()
        }
        memory = optimisers.build(self.recipe.train).start(weights)
        return sum(tensor.nbytes for tensor in memory.values())

    def supervision(self) -> EarlyWarning:
        """Return the rules at work, for lanes that have not begun."""
        outputs = len(self.data.classes)
        chance = self.data.target_facts.chance_error
        return EarlyWarning(
            self.recipe,
            chance_error=1 - 1 / outputs if chance is None else chance,
            classes=outputs if self.data.family.classes else None,
        )

    def examples(self) -> dict[str, Examples]:
        """Return classes and origins of the examples of every split whose outputs are kept."""
        return {split: self._examples(split) for split in self.recipe.keep.splits}

    def _examples(self, split: str) -> Examples:
        trials = 1 if split == names.TEST else self.recipe.trials
        at = np.stack([self.data.positions(split, t).numpy() for t in range(trials)])
        target = self.data.part(split).y.cpu().numpy()[at]
        if split == names.TEST:
            at, target = at[0], target[0]
        return Examples(target=target, source_index=at)

    def bootstraps(self) -> dict[str, NDArray[np.integer]]:
        """Return what a store keeps of bagging, by path: counts, and the examples they count."""
        if self.recipe.scheme != "bagging":
            return {}
        examples, trials = self.data.count(names.TRAIN), range(self.recipe.trials)
        members, seed = self.recipe.members.count, self.recipe.seed
        drawn = [bootstrap.counts(examples, members, seed, t).numpy() for t in trials]
        at = [self.data.positions(names.TRAIN, t).numpy() for t in trials]
        return {names.BOOTSTRAP_COUNT: np.stack(drawn), names.BOOTSTRAP_SOURCE: np.stack(at)}

    def groups(self) -> list[list[Lane]]:
        """Return the lanes in groups that train side by side.

        On a CPU one lane's matrix products fill the cores already (stacking lanes measured no
        faster), and a lane alone is bit for bit the same whatever the recipe's other lanes are.
        """
        wanted = self.recipe.engine.lanes
        if self.recipe.bootstrap == "batches":
            wanted = 1  # members with batches of their own take the lanes' place
        every = lanes.lanes_of(self.recipe)
        if wanted == "auto":
            wanted = 1 if self.device.type == "cpu" else self._lanes_that_fit()
        step = int(wanted)
        return [every[i : i + step] for i in range(0, len(every), step)]

    def _lanes_that_fit(self) -> int:
        """Return how many lanes a GPU's free memory holds with weights, gradients and outputs."""
        free, _ = torch.cuda.mem_get_info(self.device)
        recipe, extent = self.recipe, self.extent
        outputs = sum(extent.examples[split] for split in recipe.keep.splits) * extent.outputs
        numbers = 6 * recipe.members.copies * extent.parameters_per_member
        numbers += 2 * recipe.members.count * outputs
        return max(1, free // 2 // (8 * numbers))

    @property
    def threads(self) -> int:
        """CPU threads; auto: one for small steps, else the processors open to this process.

        Below some millions of products a step, threads wait for each other longer than they
        compute, and many times longer where other work takes a processor away.
        """
        wanted = self.recipe.engine.threads
        if wanted != "auto":
            return int(wanted)
        products = self.extent.parameters_per_member * self.stack.count
        products *= self.recipe.train.batch
        return 1 if products < SMALL_STEP else joblib.cpu_count()

    def settings(self) -> dict[str, str]:
        """Return where and how the arithmetic runs, for the record."""
        gpu = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else ""
        return {
            "device": f"{self.device} {gpu}".strip(),
            "threads": str(self.threads),
            "lanes": str(len(self.groups()[0])),
            "precision": self.recipe.engine.precision,
            "execution": self.way.execution,
            "layout": "channels_last" if self.way.channels_last else "channels_first",
            "chosen": self.choice.reason,
            "micro_members": str(self.at_once),
            "evaluation_batch": str(self.evaluation_batch),
            "products": "bfloat16" if self.way.bfloat16 else self.recipe.engine.precision,
            "torch": torch.__version__,
            "machine": platform.machine(),
        }


def _device(wanted: str) -> torch.device:
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise RecipeError(
            f"engine.device is {wanted!r}; it must be auto, cpu, cuda or cuda:N."
        ) from error
    if device.type not in ("cpu", "cuda"):
        raise RecipeError(f"engine.device is {wanted!r}; it must be auto, cpu, cuda or cuda:N.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise RecipeError(
            f"engine.device is {wanted!r}; torch sees {torch.cuda.device_count()} GPUs here. "
            "Use engine.device=auto, or a torch built for this machine's GPU."
        )
    return device


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use a number of threads, and afterwards as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
