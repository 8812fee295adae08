"""What a run needs before its first step: the device, the data, the members, and their sizes."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import joblib
import numpy as np
import torch

from jtdiag import lanes, names
from jtdiag.engine import data as datasets, members
from jtdiag.errors import RecipeError
from jtdiag.lanes import Lane
from jtdiag.recipe import Recipe
from jtdiag.schema import Extent
from jtdiag.store_writer import Examples

SMALL_STEP = 20_000_000
"""Products of weights and examples in a step below which one CPU thread is used."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """A recipe with everything it names at hand."""

    recipe: Recipe
    device: torch.device
    data: datasets.DataSet
    stack: members.MemberStack

    @classmethod
    def of(cls, recipe: Recipe, device: str | None = None) -> "Session":
        """Return a session for a recipe, on its device or on another.

        Raises:
            DataError: if the data are missing or do not fit.
            RecipeError: if the device is not there.
        """
        there = _device(device or recipe.engine.device)
        data = datasets.load(recipe, there)
        stack = members.build(recipe.members, data.input_shape, len(data.classes))
        return cls(recipe=recipe, device=there, data=data, stack=stack)

    @property
    def extent(self) -> Extent:
        """Sizes of data and members."""
        return Extent(
            examples={split: self.data.count(split) for split in self.recipe.splits},
            outputs=len(self.data.classes),
            parameters=dict(self.stack.parameters),
            buffers=dict(self.stack.buffers),
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

    def groups(self) -> list[list[Lane]]:
        """Return the lanes in groups that train side by side.

        On a CPU one lane's matrix products fill the cores already (stacking lanes measured no
        faster), and a lane alone is bit for bit the same whatever the recipe's other lanes are.
        """
        wanted = self.recipe.engine.lanes
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
        numbers = recipe.members.count * (5 * extent.parameters_per_member + 2 * outputs)
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
        products = self.extent.parameters_per_member * self.recipe.members.count
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
