"""Synthetic gradients: a hidden module follows a prediction of its gradient at once.

A synthesiser M_l predicts the gradient of an example's loss with respect to the features h_l, and
learns from the one that module l + 1 returns, which itself followed a prediction; the head returns
the true one. With s_l the gradient that module l follows,

    s_l = μ·J'_{l+1} s_{l+1} + (1 − μ)·M_l(h_l),

and M_l descends |M_l(h_l) − J'_{l+1} s_{l+1}|². At μ = 0 these are the synthetic gradients of
Jaderberg et al. 2017 (arXiv 1608.05343), in between their BP(λ), and at μ = 1 the true gradients.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from jtdiag import names
from jtdiag.engine.modules.contract import Batch, Credited, Ratio, Setting
from jtdiag.engine.modules.local_credit import WithLocalHeads, gradients
from jtdiag.engine.modules.local_terms import Root
from jtdiag.engine.modules.passes import BELOW, passed, squares
from jtdiag.engine.modules.synthesisers import Synthesisers
from jtdiag.errors import RecipeError


class Synthetic(WithLocalHeads):
    """Hidden modules follow synthetic gradients, mixed with what is handed down by μ."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, heads=False)
        modules, epochs = setting.recipe.modules, setting.recipe.train.epochs
        if modules.warmup >= epochs:
            raise RecipeError(
                f"modules.warmup is {modules.warmup} and train.epochs is {epochs}; synthetic "
                "gradients are used after the warmup, so it must be shorter."
            )
        self._synthesisers = [
            Synthesisers(
                f"{module.prefix}synthesiser",
                features,
                setting.outputs if modules.label else 0,
                layers=modules.head_layers,
            )
            for module, features in zip(self._hidden, setting.features, strict=True)
        ]
        for part in self._synthesisers:
            self.auxiliaries |= part.parameters

    def initial(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Return initial parameters (M, …): synthetic gradients are zero at first."""
        state = super().initial(generator)
        for part in self._synthesisers:
            for name in part.last:
                state[name].zero_()
        return state

    def step(self, batch: Batch) -> Credited:
        """Return the gradients of all modules and of the synthesisers."""
        inputs, outputs = passed(self.setting, batch)
        logits = outputs[-1].detach()
        label = self._label(batch)
        signal = batch.losses.by_logits(logits)
        of_example = logits.shape[3] * batch.members  # signals are gradients of a mean
        computed: dict[str, Tensor] = {}
        roots: list[Root] = []
        errors: list[tuple[Tensor, Tensor]] = []
        for index in reversed(range(len(outputs))):
            module = self.setting.modules[index]
            follow = batch.weights([module])
            if index:
                follow[BELOW] = inputs[index]
            computed |= gradients([(outputs[index], signal)], follow)
            if index == 0:
                break
            returned = computed.pop(BELOW)
            part = self._synthesisers[index - 1]
            synthetic = part(batch.auxiliaries, inputs[index].detach(), label)
            true = of_example * returned
            difference = synthetic.detach() - true
            roots.append((synthetic, 2 / of_example * difference))
            errors.insert(0, (difference, true))
            signal = _mixed(batch.mu, returned, synthetic.detach() / of_example)
        return Credited(
            logits=logits,
            gradients=computed | gradients(roots, batch.auxiliaries),
            features=[h.detach() for h in outputs[:-1]],
            measured={names.SYNTHETIC_R2: explained(errors)},
        )

    def _label(self, batch: Batch) -> Tensor:
        """Return labels (L, B, K): one-hot for classes."""
        family = self.setting.data.family
        return family.statistic(batch.target, self.setting.outputs).to(batch.x.dtype)


def _mixed(mu: float, returned: Tensor, synthetic: Tensor) -> Tensor:
    """Return the mixture of gradients; neither is used with a weight of 0, not even its NaN."""
    if mu == 0:
        return synthetic
    return returned if mu == 1 else mu * returned + (1 - mu) * synthetic


def explained(errors: Sequence[tuple[Tensor, Tensor]]) -> Ratio:
    """Return the explained and the total sum of squares of every module; the head has none.

    Args:
        errors: Differences from gradients (L, M, B, …), and the gradients, by hidden module.
    """
    total = [squares(true - true.mean(2, keepdim=True)) for _, true in errors]
    rest = [squares(difference) for difference, _ in errors]
    nothing = torch.zeros_like(total[0])
    whole = torch.stack([*total, nothing], -1)
    return Ratio(numerator=whole - torch.stack([*rest, nothing], -1), denominator=whole)
