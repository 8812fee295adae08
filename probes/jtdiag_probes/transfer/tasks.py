"""Target tasks: pairs of classes, with examples to fit a head to and examples to evaluate it."""

import itertools
from dataclasses import dataclass
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from jtdiag import names
from jtdiag.recipe.class_groups import ClassGroups
from jtdiag.recipe.sections import Data
from jtdiag.replay import Replay
from jtdiag.store.run import Run
from jtdiag_probes.conditioning.weight_conditioning import evenly

CLASSES = 10
"""Largest number of classes of which pairs are formed; of more, evenly spaced ones."""
TRAINING_EXAMPLES = 250
"""Largest number of training examples of a class, evenly spaced."""
HELD_OUT_EXAMPLES = 1000
"""Largest number of test examples of a class, evenly spaced."""


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Which classes the target tasks tell apart."""

    classes: ClassGroups = ()
    """Groups as in data.classes; empty for the run's own, or for all of another data set."""
    data: str = ""
    """Name or path of another data set; empty for that of the run."""
    root: str = ""
    """Its folder; empty for that of the run."""

    def of_run(self, run: Run) -> Data | None:
        """Return the section of a recipe that selects the examples; None for the run's own."""
        if not self.classes and not self.data:
            return None
        own = run.recipe.data
        if self.data:
            return Data(name=self.data, root=self.root or own.root, classes=self.classes)
        return attrs.evolve(own, classes=self.classes, val=0, limit=0, augment=())


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """Examples by class, and the pairs of classes that are the tasks."""

    train: tuple[Tensor, ...]
    """Inputs (n, …) of the training examples of each class."""
    held_out: tuple[Tensor, ...]
    """The same of the test examples."""
    pairs: tuple[tuple[int, int], ...]
    """Positions of the classes of each task."""
    names: tuple[str, ...]
    """Of the tasks, such as "0 | 1"."""
    own: NDArray[np.bool_]
    """(tasks,), whether a task is the one on which the run is trained."""

    @classmethod
    def of(cls, replay: Replay, data: Data | None) -> "Tasks":
        """Select examples evenly, of each class as many as there are up to a limit.

        Args:
            replay: Members of the trial whose training examples are used.
            data: Other examples; None for those of the run.

        Raises:
            DataError: if the data do not exist or do not fit the members.
        """
        own = replay.session.data
        if data is None:
            classes = own.classes
            parts = [replay.examples(split) for split in (names.TRAIN, names.TEST)]
        else:
            other = replay.other_data(data)
            classes = other.classes
            parts = [(p.x, p.y) for p in map(other.part, (names.TRAIN, names.TEST))]
        train, held_out = [(x, y.numpy()) for x, y in parts]
        used = [
            int(k)
            for k in evenly(len(classes), CLASSES)
            if (train[1] == k).any() and (held_out[1] == k).any()
        ]
        pairs = tuple(itertools.combinations(range(len(used)), 2))
        labels = [tuple(classes[used[i]] for i in pair) for pair in pairs]
        same_data = data is None or data.name == replay.session.recipe.data.name
        return cls(
            train=tuple(_of_class(*train, k, TRAINING_EXAMPLES) for k in used),
            held_out=tuple(_of_class(*held_out, k, HELD_OUT_EXAMPLES) for k in used),
            pairs=pairs,
            names=tuple(" | ".join(pair) for pair in labels),
            own=np.array([same_data and set(pair) == set(own.classes) for pair in labels], bool),
        )


def _of_class(x: Tensor, target: NDArray[Any], number: int, most: int) -> Tensor:
    own = np.flatnonzero(target == number)
    return x[own[evenly(len(own), most)]]
