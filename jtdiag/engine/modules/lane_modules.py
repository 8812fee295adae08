"""The modules of a group of lanes: auxiliary parameters, training steps and evaluation."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from jtdiag.engine import seeds
from jtdiag.engine.architectures.contract import State
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
        self._seed = network.setting.recipe.seed
        self.auxiliaries = self._initial(lanes, device, dtype)
        """Parameters of the auxiliary parts, (L, M, …) by name."""

    def _initial(
        self, lanes: Sequence[Lane], device: torch.device, dtype: torch.dtype
    ) -> dict[str, Tensor]:
        """Return initial parameters, the same for every λ of a trial."""
        initial = {}
        for trial in {lane.trial for lane in lanes}:
            generator = seeds.generator(self._seed, seeds.Purpose.AUXILIARY, trial)
            initial[trial] = self.network.credit.initial(generator)
        return {
            name: torch.stack([initial[lane.trial][name] for lane in lanes])
            .to(device, dtype)
            .requires_grad_()
            for name in self.network.credit.auxiliaries
        }

    def step(self, batch: Batch) -> Credited:
        """Return the gradients of one step."""
        return self.network.credit.step(batch)

    def evaluate(self, state: State, x: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Return logits, features of hidden modules and logits of their local heads.

        Args:
            state: Parameters and buffers (L, M, …) by name.
            x: Inputs (L, B, …).
        """
        *hidden, last = self.network.setting.modules
        features, h = [], x
        for module in hidden:
            h = self.network.setting.run(state, module, h, training=False)
            features.append(h)
        logits = self.network.setting.run(state, last, h, training=False)
        return logits, features, self.network.credit.local_logits(self.auxiliaries, features)


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
