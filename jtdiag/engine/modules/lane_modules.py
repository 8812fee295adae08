"""The modules of a group of lanes: auxiliary parameters, training steps and evaluation."""

from collections.abc import Hashable, Iterator, Sequence

import torch
from torch import Tensor

from jtdiag.engine import seeds
from jtdiag.engine.architectures.contract import State
from jtdiag.engine.modules import frozen_features
from jtdiag.engine.modules.building import ModularNetwork
from jtdiag.engine.modules.contract import Batch, Credited, Ratio
from jtdiag.store.lanes import Lane


class LaneModules:
    """Training and evaluating the modules of some lanes; their results are independent."""

    def __init__(
        self,
        network: ModularNetwork,
        lanes: Sequence[Lane],
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.network = network
        self._recipe = network.setting.recipe
        self.auxiliaries = self._initial(lanes, device, dtype)
        """Parameters of the auxiliary parts, (L, M, …) by name."""
        self._only_head_trains = False
        self._evaluated: dict[Hashable, list[Tensor]] = {}

    def _initial(
        self, lanes: Sequence[Lane], device: torch.device, dtype: torch.dtype
    ) -> dict[str, Tensor]:
        """Return initial parameters, the same for every λ of a trial."""
        initial = {}
        for trial in {lane.trial for lane in lanes}:
            generator = seeds.generator(self._recipe.seed, seeds.Purpose.AUXILIARY, trial)
            initial[trial] = self.network.credit.initial(generator)
        return {
            name: torch.stack([initial[lane.trial][name] for lane in lanes])
            .to(device, dtype)
            .requires_grad_()
            for name in self.network.credit.auxiliaries
        }

    def step(self, batch: Batch) -> Credited:
        """Return the gradients of one step."""
        self._only_head_trains = 0 < self._recipe.modules.head_from < batch.epoch
        if not self._only_head_trains:
            self._evaluated.clear()
        return self.network.credit.step(batch)

    def restored(self) -> None:
        """Forget features of weights that have been replaced."""
        self._evaluated.clear()

    def evaluate(
        self, state: State, x: Tensor, examples: Hashable
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Return logits, features of hidden modules and logits of their local heads.

        Args:
            state: Parameters and buffers (L, M, …) by name.
            x: Inputs (L, B, …).
            examples: Which examples these are. While only the head is trained, their features are
                kept from one evaluation to the next.
        """
        features = self._evaluated.get(examples)
        if features is None:
            features = self._features(state, x)
            self._keep(examples, features)
        last = self.network.setting.modules[-1]
        logits = self.network.setting.run(state, last, features[-1], training=False)
        return logits, features, self.network.credit.local_logits(self.auxiliaries, features)

    def _features(self, state: State, x: Tensor) -> list[Tensor]:
        features, h = [], x
        for module in self.network.setting.modules[:-1]:
            h = self.network.setting.run(state, module, h, training=False)
            features.append(h)
        return features

    def _keep(self, examples: Hashable, features: list[Tensor]) -> None:
        every = [h for kept in (*self._evaluated.values(), features) for h in kept]
        size = sum(h.nbytes for h in every)
        if self._only_head_trains and size <= frozen_features.LARGEST_CACHE:
            self._evaluated[examples] = features


def joined(parts: Sequence[Credited]) -> Credited:
    """Return the results of consecutive members as one."""
    if len(parts) == 1:
        return parts[0]

    def members(tensors: Iterator[Tensor]) -> Tensor:
        return torch.cat(list(tensors), 1)

    first = parts[0]
    return Credited(
        logits=members(part.logits for part in parts),
        gradients={
            name: members(part.gradients[name] for part in parts) for name in first.gradients
        },
        features=[members(p.features[i] for p in parts) for i in range(len(first.features))],
        local_logits=[
            members(p.local_logits[i] for p in parts) for i in range(len(first.local_logits))
        ],
        measured={
            name: Ratio(
                numerator=members(part.measured[name].numerator for part in parts),
                denominator=members(part.measured[name].denominator for part in parts),
            )
            for name in first.measured
        },
    )
