"""What is known of a probe without importing it, since most probes import torch."""

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

from jtdiag.probing import lane_states
from jtdiag.probing.registry import PROBES
from jtdiag.store.run import Run


@dataclass(frozen=True, kw_only=True)
class ProbeDescription(ABC):
    """Name and question of a probe, and the runs to which the question applies."""

    name: str
    question: str
    cost: Literal["cheap", "slow"]
    """`jtdiag watch` runs the cheap probes when a run ends."""
    classes_only: bool = False
    """True if the question only applies to classification."""
    own_weights: bool = False
    """True if the question does not apply to members that are branches with shared weights."""
    modules_only: bool = False
    """True if the question only applies to members that are trained module by module."""
    replays: bool = False
    """True if the probe needs the models and the data, not only the stored outputs."""
    settings: str = ""
    """What distinguishes this probe from others with the same code; part of the hash of results."""
    by_lane: bool = False
    """True if workers of a cluster measure its lanes, see `probing.checkpoints`; `jtdiag report`
    with workers then runs it, although it is slow."""
    every_lane: bool = False
    """True if lanes that diverged are measured as well; otherwise they are left out."""

    @property
    @abstractmethod
    def source(self) -> str:
        """File that defines how the probe measures; empty if there is none."""

    def applies(self, run: Run) -> bool:
        """Return whether the question applies to a run."""
        return not self.objection(run) and (self.every_lane or not lane_states.all_diverged(run))

    def objection(self, run: Run) -> str:
        """Return why the question does not apply to a run; empty if it does."""
        if self.classes_only and not run.predicts_classes:
            return (
                f"applies to single-label classification only, and the family of {run.path} is "
                f"'{run.recipe.family}'"
            )
        if self.own_weights and run.recipe.members.branched:
            return (
                f"needs members with weights of their own, and the members of {run.path} are "
                "branches of one network"
            )
        if self.modules_only and not run.recipe.modules.active:
            return (
                f"applies to members with [modules] whose credit is not 'end-to-end', or with "
                f"watch, and those of {run.path} are trained as a whole"
            )
        if self.replays and run.recorded:
            return (
                f"needs the models and the data, and {run.path} was recorded from a user-defined "
                "training loop"
            )
        return ""


@dataclass(frozen=True, kw_only=True)
class DeclaredProbe(ProbeDescription):
    """A description that was read from the source of a probe."""

    file: str

    @property
    def source(self) -> str:
        """File that defines how the probe measures."""
        return self.file


FIELDS = {field.name for field in dataclasses.fields(ProbeDescription)}


def describe(name: str) -> ProbeDescription:
    """Return the description of an installed probe; import it only if its source needs it.

    Raises:
        ProbeError: if there is no such probe.
    """
    declared = PROBES.declaration(name)
    if (
        declared is None
        or declared.kind != "Probe"
        or declared.text("name") != name
        or "measure" not in declared.functions
        or FIELDS & (declared.others | declared.functions)
    ):
        return PROBES.find(name)
    literals: dict[str, Any] = {
        key: declared.literals[key] for key in FIELDS & {*declared.literals}
    }
    return DeclaredProbe(file=str(declared.file), **literals)
