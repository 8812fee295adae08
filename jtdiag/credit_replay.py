"""One training step of a sealed epoch: the gradients of the run's credit, and those end to end.

Nothing of the run or of the replay changes: a step is computed, not taken, on copies.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import attrs
import torch
from torch import Tensor

from jtdiag import names
from jtdiag.engine import objectives, seeds
from jtdiag.engine.modules.building import ModularNetwork
from jtdiag.engine.modules.contract import Batch, Credit, Credited, StepGradients
from jtdiag.engine.modules.local_credit import EndToEnd, Local
from jtdiag.engine.modules.noise import Noise
from jtdiag.errors import DataError
from jtdiag.replay import Replay
from jtdiag.store.run import Run

STEP = (0, 0)
"""Epoch and step whose random numbers are drawn; no step of a run is this one."""

Gradients = dict[str, Tensor]
"""Gradients (M, …) by parameter; without one, a parameter is not changed by the step."""


@dataclass(frozen=True, kw_only=True)
class CreditReplay:
    """The members and what is learned beside them at the end of an epoch, about to take a step."""

    replay: Replay
    network: ModularNetwork
    credit: Credit
    epoch: int
    """The epoch to whose λ, μ and module the step belongs, 1 or more."""
    lam: float
    auxiliaries: Mapping[str, Tensor]
    """Parameters (M, …) that are learned beside the members, by name."""

    @classmethod
    def of(cls, run: Run, replay: Replay, epoch: int) -> "CreditReplay":
        """Load what a credit needs beside the members.

        Args:
            run: A run whose members are trained module by module.
            replay: The members at the end of the epoch.
            epoch: The epoch; a step at 0, before training, belongs to the first one.

        Raises:
            DataError: if the members are trained as a whole.
        """
        network = replay.session.modules
        if network is None:
            raise DataError(
                f"the members of {run.path} are trained as a whole, without [modules]; there is "
                "no credit to replay."
            )
        auxiliaries = run.auxiliaries(replay.lane, epoch)
        epoch = max(1, epoch)
        return cls(
            replay=replay,
            network=network,
            # A credit may keep features of the weights it has seen, so each epoch has its own.
            credit=run.recipe.modules.record.build(network.setting),
            epoch=epoch,
            lam=run.lam_at(replay.lane, epoch),
            auxiliaries={name: torch.from_numpy(a.copy()) for name, a in auxiliaries.items()},
        )

    @property
    def modules(self) -> Mapping[str, tuple[str, ...]]:
        """Parameters of each module by its name, the head last."""
        return {module.name: tuple(module.parameters) for module in self.network.setting.modules}

    def batches(self, most: int) -> list[Tensor]:
        """Return positions (batch,) of training examples, in the order of the first epoch.

        Only whole batches of the run's size, unless there is no whole one.

        Args:
            most: Number of examples; more if a batch has more.
        """
        session, trial = self.replay.session, self.replay.lane.trial
        positions = session.data.positions(names.TRAIN, trial)
        order = seeds.batch_order(len(positions), session.recipe.seed, trial, 1)
        size = min(session.recipe.train.batch, len(positions))
        count = min(max(1, most // size), len(positions) // size)
        return list(positions[order[: count * size]].view(count, size))

    def credited(self, positions: Tensor) -> Gradients:
        """Return the gradients that the credit gives for a batch of training examples."""
        return self._step(self.credit.step, positions)

    def end_to_end(self, positions: Tensor) -> Gradients:
        """Return the gradients of L_λ through all modules, normalized by the batch if at all."""
        return self._step(EndToEnd(self.network.setting).step, positions)

    @property
    def has_own_losses(self) -> bool:
        """Whether hidden modules have losses of their own, as with `local`."""
        return isinstance(self.credit, Local)

    def by_own_loss(self, positions: Tensor) -> Gradients:
        """Return, for each module, the gradient of its own loss alone; only if it has one."""
        return self._step(self._reaching(1).step, positions)

    def by_next_loss(self, positions: Tensor) -> Gradients:
        """Return, for each module, the gradient of the next one's loss, through that module.

        That of the module before the head is of L_λ, and so is the head's own. Only if modules
        have losses.
        """
        return self._step(self._reaching(2).step, positions)

    def _reaching(self, reach: int) -> Local:
        """Return the credit by which a module follows the loss of one `reach` − 1 ahead."""
        setting = self.network.setting
        modules = attrs.evolve(setting.recipe.modules, mu=0.0, mu_schedule="constant", reach=reach)
        return Local(replace(setting, recipe=attrs.evolve(setting.recipe, modules=modules)))

    def _step(self, step: Callable[[Batch], Credited], positions: Tensor) -> Gradients:
        with self._draws():
            credited = step(self._batch(positions))
        own = self.replay.trained
        return {name: g[0].detach() for name, g in credited.gradients.items() if name in own}

    def _batch(self, positions: Tensor) -> Batch:
        session = self.replay.session
        part, recipe = session.data.part(names.TRAIN), session.recipe
        target = part.y[positions].unsqueeze(0)
        state = {name: weight.clone()[None] for name, weight in self.replay.weights.items()}
        for name in self.replay.trained:
            state[name].requires_grad_()
        lam = torch.tensor([self.lam], dtype=getattr(torch, recipe.engine.precision))
        every = recipe.modules.lam == "every"
        losses = StepGradients(
            objective=objectives.build(recipe, session.data.family, session.data.error_scale),
            target=target,
            lam_L=lam,
            local_lam_L=lam if every else torch.zeros_like(lam),
            shares=(None, None),
            members=session.stack.count,
        )
        return Batch(
            state=state,
            auxiliaries={n: a.clone()[None].requires_grad_() for n, a in self.auxiliaries.items()},
            x=part.x[positions].unsqueeze(0),
            target=target,
            positions=positions.unsqueeze(0),
            epoch=self.epoch,
            losses=losses,
            members=session.stack.count,
            mu=recipe.mu_at(self.epoch),
            noise=Noise(seed=recipe.seed, trials=[self.replay.lane.trial], step=STEP),
        )

    def _draws(self) -> AbstractContextManager[None]:
        """Seed what members draw at random in a step, as dropout does; the same for both steps."""
        session = self.replay.session
        if not session.stack.draws:
            return nullcontext()
        keys = (self.replay.lane.trial, *STEP, 0)
        return seeds.global_generator(session.device, session.recipe.seed, *keys)
