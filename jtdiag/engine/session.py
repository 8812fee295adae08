"""Setup of a run: the device, the data, the members, and the execution plan."""

import functools
import math
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import joblib
import numpy as np
import torch
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.engine import architectures, optimisers, starts, wording
from jtdiag.engine.architectures import trial
from jtdiag.engine.architectures.module_stack import Execution, Factory, ModuleStack
from jtdiag.engine.datasets import bootstrap, splits
from jtdiag.engine.early_warning import EarlyWarning
from jtdiag.engine.execution import Choice, ExecutionPlan, candidate_plans, fastest
from jtdiag.engine.forward import Forward
from jtdiag.engine.lane_group import EVALUATION_BATCH, LaneGroup
from jtdiag.engine.modules.building import ModularNetwork
from jtdiag.engine.ranks.division import WHOLE, Division
from jtdiag.errors import DataError, RecipeError
from jtdiag.recipe.recipe import Recipe
from jtdiag.store import lanes, layout
from jtdiag.store.lanes import Lane
from jtdiag.store.layout import Extent, ModuleFacts, Parameter
from jtdiag.store.run import Run
from jtdiag.store.writer import Examples

SMALL_STEP = 20_000_000
"""Multiplications in a step below which a single CPU thread is used."""

CPU_ACTIVATIONS = 2 * 2**30
"""Memory in bytes for the activations of a training step on a CPU."""
ACTIVATION_SAMPLE = 4
"""Examples used to measure the activations of one member."""
EVALUATION_FACTOR = 8
"""Evaluation fits this many times the examples of a training step: nothing is kept for backward."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """A recipe with its data loaded, its members built and its device selected."""

    recipe: Recipe
    device: torch.device
    data: splits.DataSet
    stack: ModuleStack
    choice: Choice
    remarks: Sequence[str] = ()
    """What is unusual about the members, although they can be trained."""
    recorded: Mapping[str, str] = field(default_factory=dict)
    """Settings of the run that this session resumes; empty for a new run."""
    same_groups: bool = False
    """Whether lanes are in groups of the recorded size, unless the recipe gives one."""
    division: Division = WHOLE
    """How lanes are divided over processes."""

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        device: str | None = None,
        factory: Factory | None = None,
        division: Division = WHOLE,
    ) -> "Session":
        """Set up a session for a recipe.

        Args:
            recipe: The recipe to run.
            device: Overrides the device in the recipe.
            factory: Creates a member, if members.factory is not an address.
            division: How lanes are divided over processes.

        Raises:
            DataError: if the data are missing or do not fit the recipe.
            RecipeError: if the device is not available.
        """
        torch_device = _device(device or recipe.engine.device)
        data = splits.load(recipe, torch_device)
        held = division.members_here(recipe.members.copies)
        stack = architectures.build(
            recipe.members, data.input_shape, len(data.classes), factory, held=held
        )
        choice = Choice(plan=ExecutionPlan(execution=stack.executions[0]))
        return cls(
            recipe=recipe,
            device=torch_device,
            data=data,
            stack=stack,
            choice=choice,
            division=division,
        )

    @property
    def plan(self) -> ExecutionPlan:
        """How members are computed."""
        return self.choice.plan

    def with_fastest_plan(self) -> "Session":
        """Return the session with the execution plan that is fastest on this machine.

        Raises:
            RecipeError: if a member cannot be trained or evaluated.
        """
        remarks = self._try_module()
        images = len(self.data.input_shape) == 3
        candidates = candidate_plans(self.recipe, self.stack, images=images)
        alone = replace(self, division=self.division.without_others())
        group = alone.lane_group(self.groups()[0])
        if self._has_factory and group.identical_members:
            remarks = [*remarks, wording.identical(self.stack.count)]
        with torch_threads(self.threads):
            choice = fastest(candidates, group.try_step, self.device)
        return replace(self, choice=choice, remarks=remarks)

    @property
    def _has_factory(self) -> bool:
        return "factory" in self.recipe.members.architecture.fields

    def _try_module(self) -> Sequence[str]:
        """Try a member that may fail on batches of some sizes; return remarks on a user's module.

        It is tried on batches of all sizes that will occur.
        """
        recipe, stack = self.recipe, self.stack
        members = recipe.members
        if not self._has_factory and members.norm != "batch":
            return ()
        count, batch = self.data.count(names.TRAIN), recipe.train.batch
        x = self.data.part(names.TRAIN).x[: min(batch, count)]
        outputs = len(self.data.classes)
        trial.try_module(stack, recipe.members, x, outputs, batch=batch, count=count)
        counts = [self.data.count(split) for split in recipe.splits]
        sizes = [n % self.evaluation_batch or min(n, self.evaluation_batch) for n in counts]
        trial.try_evaluation(stack, recipe.members, x, outputs, sizes)
        if not self._has_factory:
            return ()
        return trial.remarks(stack, x, classes=self.data.family.classes)

    def require_same_data(self, run: Run) -> None:
        """Check that the data are those that a run was trained on, if it recorded which.

        Raises:
            DataError: if they are not.
        """
        recorded = run.settings.get(names.FINGERPRINT, self.data.fingerprint)
        if recorded != self.data.fingerprint:
            raise DataError(
                f"{run.path}: the data in {self.recipe.data.name} are not those that the run was "
                "trained on; restore them, or train on the new data in another folder."
            )

    def with_recorded_plan(
        self, settings: Mapping[str, str], *, same_groups: bool = False
    ) -> "Session":
        """Return the session with the execution plan in the settings of an existing run.

        Args:
            settings: These settings.
            same_groups: Whether lanes are to be in groups of the same size, whatever fits into
                memory: if other processes train other groups.
        """
        plan = ExecutionPlan(
            execution=cast(Execution, settings.get("execution", self.plan.execution)),
            bfloat16=settings.get("products") == "bfloat16",
            channels_last=settings.get("layout") == "channels_last",
        )
        return replace(self, choice=Choice(plan=plan), recorded=settings, same_groups=same_groups)

    def lane_group(self, lanes: Sequence[Lane]) -> LaneGroup:
        """Create a group of lanes with initial weights, computed with the session's plan."""
        return LaneGroup(
            self.recipe,
            lanes,
            self.data,
            self.stack,
            self.device,
            self.plan,
            micro_members=self.micro_members,
            evaluation_batch=self.evaluation_batch,
            division=self.division,
        )

    @property
    def _copies(self) -> int:
        """Number of copies of the parameters in this process."""
        return len(self.division.members(self.stack.count))

    @functools.cached_property
    def micro_members(self) -> int:
        """Number of members whose activations a training step keeps at the same time."""
        setting = self.recipe.engine.micro_members
        if setting == "auto":
            setting = self.recorded.get("micro_members", "auto")
        if setting != "auto":
            return min(int(setting), self._copies)
        per_member = self._activations * self.recipe.train.batch
        return max(1, min(self._copies, int(self._activation_memory() / per_member)))

    @functools.cached_property
    def evaluation_batch(self) -> int:
        """Number of examples in a batch of an evaluation."""
        if "evaluation_batch" in self.recorded:
            return int(self.recorded["evaluation_batch"])
        per_example = self._activations * self._copies
        limit = int(EVALUATION_FACTOR * self._activation_memory() / per_example)
        return max(1, min(EVALUATION_BATCH, limit))

    @functools.cached_property
    def _activations(self) -> float:
        """Bytes of activations per member and example in a training step, summed over lanes."""
        x = self.data.part(names.TRAIN).x[:ACTIVATION_SAMPLE]
        sample = x.cpu().clone()  # its own storage, so that it is counted
        per_example = trial.activation_bytes(self.stack, self.recipe.members, sample) / len(sample)
        return max(1.0, per_example * len(self.groups()[0]))

    def _activation_memory(self) -> int:
        """Return the memory for activations in bytes; on a CPU more would not be faster."""
        if self.device.type == "cuda":
            return torch.cuda.mem_get_info(self.device)[0] // 2
        return CPU_ACTIVATIONS

    @functools.cached_property
    def modules(self) -> ModularNetwork | None:
        """The modules of the members, if they are trained one by one."""
        dtype = getattr(torch, self.recipe.engine.precision)
        forward = Forward(self.stack, self.data.family, self.plan, self.device, dtype)
        return ModularNetwork.of(self.recipe, self.data, forward)

    @property
    def _trained(self) -> dict[str, Parameter]:
        """Parameters of one member that are trained, and of what is learned beside it."""
        auxiliaries = {} if self.modules is None else self.modules.credit.auxiliaries
        return {**self.stack.parameters, **auxiliaries}

    def _modules_text(self) -> list[str]:
        """Return a line about the modules, if members are trained module by module, and remarks.

        Raises:
            RecipeError: if the credit finds that hidden modules cannot learn.
        """
        if self.modules is None:
            return []
        chosen = self.recipe.modules
        facts = self._module_facts()
        epochs = chosen.epochs or (0,) * len(facts)
        listed = [(m.name, m.parameters, n) for m, n in zip(facts, epochs, strict=True)]
        shapes = self.modules.credit.auxiliaries.values()
        beside = sum(math.prod(parameter.shape) for parameter in shapes)
        line = wording.modules(listed, chosen.credit, beside)
        return [line, *getattr(self.modules.credit, "remarks", ())]

    def _module_facts(self) -> tuple[ModuleFacts, ...]:
        if self.modules is None:
            return ()
        shapes, modules = self.stack.parameters, self.modules.setting.modules
        until = self.recipe.modules.trained_until(len(modules), self.recipe.train.epochs)
        return tuple(
            ModuleFacts(
                name=module.name,
                start=module.start,
                stop=module.stop,
                parameters=sum(math.prod(shapes[name].shape) for name in module.parameters),
                trained_until=last,
            )
            for module, last in zip(modules, until, strict=True)
        )

    @property
    def extent(self) -> Extent:
        """Sizes of the data and the members, which determine the layout of a store."""
        return Extent(
            examples={split: self.data.count(split) for split in self.recipe.splits},
            outputs=len(self.data.classes),
            output_names=self.data.classes,
            parameters=dict(self.stack.parameters),
            frozen=dict(self.stack.frozen),
            buffers=dict(self.stack.buffers),
            modules=self._module_facts(),
            local_heads=self.modules is not None and self.modules.has_local_heads,
            auxiliaries={} if self.modules is None else dict(self.modules.credit.auxiliaries),
            memory=self._optimiser_bytes(),
            targets=self.data.target_facts,
        )

    def _optimiser_bytes(self) -> int:
        """Return the size of the optimizer state of a lane, computed on the meta device."""
        dtype = getattr(torch, self.recipe.engine.precision)
        weights = {
            name: torch.empty((1, self.stack.count, *p.shape), dtype=dtype, device="meta")
            for name, p in self._trained.items()
        }
        optimiser = optimisers.build(self.recipe.train)
        if self.modules is not None:
            optimiser = self.modules.grouped(optimiser)
        memory = optimiser.start(weights)
        return sum(tensor.nbytes for tensor in memory.values())

    def early_warning(self) -> EarlyWarning:
        """Create the early warning, without a history of any lane."""
        facts = self.data.target_facts
        outputs = len(self.data.classes)
        return EarlyWarning(
            self.recipe,
            chance_error=1 - 1 / outputs if facts.chance_error is None else facts.chance_error,
            chance_loss=facts.chance_loss,
            examples=self.data.count(names.TRAIN) if self.data.family.classes else None,
            modules=[module.name for module in self._module_facts()],
        )

    def examples(self) -> dict[str, Examples]:
        """Return targets and source indices of every split whose outputs are kept."""
        return {split: self._examples(split) for split in self.recipe.keep.splits}

    def _examples(self, split: str) -> Examples:
        trials = 1 if split == names.TEST else self.recipe.trials
        positions = np.stack([self.data.positions(split, t).numpy() for t in range(trials)])
        target = self.data.part(split).y.cpu().numpy()[positions]
        index = np.stack([self.data.sources(split, t) for t in range(trials)])
        if split == names.TEST:
            index, target = index[0], target[0]
        return Examples(target=target, source_index=index)

    def bootstraps(self) -> dict[str, NDArray[np.integer]]:
        """Return what a store keeps of bagging, by path: counts, and the source indices."""
        if self.recipe.scheme != "bagging":
            return {}
        examples, trials = self.data.count(names.TRAIN), range(self.recipe.trials)
        members, seed = range(self.recipe.members.count), self.recipe.seed
        drawn = [bootstrap.counts(examples, members, seed, t).numpy() for t in trials]
        source = [self.data.sources(names.TRAIN, t) for t in trials]
        return {names.BOOTSTRAP_COUNT: np.stack(drawn), names.BOOTSTRAP_SOURCE: np.stack(source)}

    def start_factors(self) -> dict[str, NDArray[np.float64]]:
        """Return what a store keeps of unequal starts, by path: the factors (trials, M)."""
        if self.recipe.members.starts_equal:
            return {}
        drawn = [starts.factors(self.recipe, trial).numpy() for trial in range(self.recipe.trials)]
        return {names.START_FACTORS: np.stack(drawn)}

    @property
    def known_before(self) -> dict[str, NDArray[Any]]:
        """Contents of the store's arrays that are known before training, by path."""
        facts = layout.module_facts(self.extent)
        return {**self.bootstraps(), **self.start_factors(), **facts}

    def groups(self) -> list[list[Lane]]:
        """Return the lanes in groups that are trained together.

        By default one at a time on a CPU: the matrix products of a lane use all cores already,
        unless members are as small as the demo's, and each lane is bit for bit independent of the
        recipe's other lanes.
        """
        return self._groups

    @functools.cached_property
    def _groups(self) -> list[list[Lane]]:
        setting = self.recipe.engine.lanes
        if self.recipe.bootstrap == "batches":
            setting = 1  # the axis of lanes is used for members with separate batches
        every = lanes.lanes_of(self.recipe)
        if setting == "auto" and self.same_groups:
            setting = int(self.recorded.get("lanes", 1))
        if setting == "auto":
            setting = 1 if self.device.type == "cpu" else self._lanes_that_fit()
        step = int(setting)
        return [every[i : i + step] for i in range(0, len(every), step)]

    def _lanes_that_fit(self) -> int:
        """Return how many lanes fit in free GPU memory, with weights, gradients and outputs."""
        free, _ = torch.cuda.mem_get_info(self.device)
        recipe, extent = self.recipe, self.extent
        outputs = sum(extent.examples[split] for split in recipe.keep.splits) * extent.outputs
        numbers = 6 * self._copies * extent.parameters_per_member
        numbers += 2 * recipe.members.count * outputs
        return max(1, free // 2 // (8 * numbers))

    @property
    def threads(self) -> int:
        """Number of CPU threads; "auto": one for small steps, else all available processors.

        In steps of fewer than some million multiplications, threads wait for each other longer
        than they compute, and much longer if other processes use the processors.
        """
        setting = self.recipe.engine.threads
        if setting != "auto":
            return int(setting)
        products = self.extent.parameters_per_member * self._copies
        products *= self.recipe.train.batch
        every = max(1, joblib.cpu_count() // self.division.ranks.here)
        return 1 if products < SMALL_STEP else every

    @property
    def _recorded_micro_members(self) -> int:
        """Number to record: all members, if all of this process are computed at once."""
        at_once = self.micro_members
        return at_once if at_once < self._copies else self.stack.count

    def settings(self) -> dict[str, str]:
        """Return where and how the run is computed; stored with the run."""
        gpu = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else ""
        notes = {
            "data": self.data.notes,
            "members": self.remarks,
            "modules": self._modules_text(),
        }
        return {name: "; ".join(lines) for name, lines in notes.items() if lines} | {
            names.FINGERPRINT: self.data.fingerprint,
            "device": f"{self.device} {gpu}".strip(),
            "threads": str(self.threads),
            "lanes": str(len(self.groups()[0])),
            "precision": self.recipe.engine.precision,
            "execution": self.plan.execution,
            "layout": "channels_last" if self.plan.channels_last else "channels_first",
            "chosen": self.choice.reason,
            "micro_members": str(self._recorded_micro_members),
            "evaluation_batch": str(self.evaluation_batch),
            "products": "bfloat16" if self.plan.bfloat16 else self.recipe.engine.precision,
            **({"ranks": str(self.division.ranks.count)} if self.division.ranks.count > 1 else {}),
            "torch": torch.__version__,
            "machine": platform.machine(),
        }


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise RecipeError(
            f"engine.device is {name!r}; it must be auto, cpu, cuda or cuda:N."
        ) from error
    if device.type not in ("cpu", "cuda"):
        raise RecipeError(f"engine.device is {name!r}; it must be auto, cpu, cuda or cuda:N.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise RecipeError(
            f"engine.device is {name!r}; torch finds {_gpus(torch.cuda.device_count())}. "
            "Use engine.device=auto, or install a build of torch for this machine's GPU."
        )
    return device


def _gpus(count: int) -> str:
    return {0: "no GPU", 1: "1 GPU"}.get(count, f"{count} GPUs")


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use a number of threads inside the context, then restore the previous number."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
