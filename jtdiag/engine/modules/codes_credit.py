"""Auxiliary variables: the features of an example are variables of their own, its codes.

With the codes z_1 … z_{K−1} of an example and its input z_0, every batch begins with the outputs of
the modules and lowers the energy

    E = L(f_K(z_{K−1})) + ρ/2 Σ_l |z_l − f_l(z_{l−1})|²

by sweeps over the codes from the last one to the first, z_l ← z_l − a·∂E/∂z_l. The step a of a
member is halved until its energy does not rise. Then every module takes one step on E with the
codes fixed (Carreira-Perpinan & Wang 2014; Choromanska et al. 2019, arXiv 1806.09077). The larger
ρ, the nearer the gradients at the minimum are to backpropagation. A member moves its codes while
the outputs of the other members stay: see `OwnLosses`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from jtdiag import names
from jtdiag.engine.modules.contract import Batch, Credited, Ratio, Setting
from jtdiag.engine.modules.local_credit import WithLocalHeads, gradients
from jtdiag.engine.modules.own_losses import OwnLosses
from jtdiag.engine.modules.passes import passed, squares, without_updates
from jtdiag.errors import RecipeError

HALVINGS = 20
"""After so many a member keeps its codes."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """Codes, and what the modules return for them."""

    inputs: Sequence[Tensor]
    """Inputs of every module: x, and the codes (L, M, B, …)."""
    outputs: Sequence[Tensor]
    """Outputs of every module, (L, M, B, …); logits (L, M, K, B) of the last one."""
    by_logits: Tensor
    """Gradient (L, M, K, B) of an example's loss with respect to its logits."""
    energy: Tensor
    """Means over the examples, (L, M, modules)."""


class Codes(WithLocalHeads):
    """Modules follow codes."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, heads=False)
        self._fields = setting.recipe.modules
        objective = setting.recipe.objective
        if objective.loss == "gncl-exact" or objective.drop:
            field = "loss = 'gncl-exact'" if objective.loss == "gncl-exact" else "drop"
            raise RecipeError(
                f"modules.credit is 'codes', whose energy has the loss of Eq. 4, but objective has "
                f"{field}; omit it, or choose another credit."
            )

    def step(self, batch: Batch) -> Credited:
        """Return the gradients of all modules."""
        inputs, outputs = passed(self.setting, batch)
        logits = outputs[-1].detach()
        losses = OwnLosses(batch.losses, logits)
        before = self._point(losses, inputs, outputs)
        after = self._lowered(batch, losses, before)
        batch_size = logits.shape[3]
        scale = batch_size * batch.members
        roots = [(after.outputs[-1], after.by_logits / scale)]
        for code, out in zip(after.inputs[1:], after.outputs[:-1], strict=True):
            roots.append((out, self._fields.rho / scale * (out - code).detach()))
        weights = batch.weights(self.setting.modules)
        count = torch.full_like(before.energy, batch_size)
        return Credited(
            logits=logits,
            gradients=gradients(roots, weights),
            features=[h.detach() for h in outputs[:-1]],
            measured={
                names.ENERGY: Ratio(numerator=batch_size * after.energy, denominator=count),
                names.ENERGY_BEFORE: Ratio(numerator=batch_size * before.energy, denominator=count),
            },
        )

    def _point(
        self, losses: OwnLosses, inputs: Sequence[Tensor], outputs: Sequence[Tensor]
    ) -> Point:
        own, by_logits = losses(outputs[-1].detach())
        half = self._fields.rho / 2 / by_logits.shape[3]
        with torch.no_grad():
            pairs = zip(inputs[1:], outputs[:-1], strict=True)
            distances = [half * squares(code - out) for code, out in pairs]
        return Point(
            inputs=inputs,
            outputs=outputs,
            by_logits=by_logits,
            energy=torch.stack([*distances, own], -1),
        )

    def _lowered(self, batch: Batch, losses: OwnLosses, point: Point) -> Point:
        """Return codes of lower energy, by sweeps with steps that are halved where it rises."""
        step = torch.full_like(point.by_logits[..., 0, 0], self._fields.code_step)
        for _ in range(self._fields.sweeps):
            energy = point.energy.sum(-1)
            for halvings in range(HALVINGS + 1):
                codes = self._swept(point, step)
                moved = self._at(batch, losses, point, codes)
                rises = ~(moved.energy.sum(-1) <= energy)
                if not rises.any():
                    break
                step = torch.where(rises, step / 2 if halvings < HALVINGS - 1 else 0 * step, step)
            point = moved
        return point

    def _at(self, batch: Batch, losses: OwnLosses, point: Point, codes: Sequence[Tensor]) -> Point:
        """Return the point of other codes. The first module's output depends on none of them."""
        state = without_updates(self.setting, batch.state)
        inputs = [code.requires_grad_() for code in codes]
        rest = zip(self.setting.modules[1:], inputs, strict=True)
        outputs = [self.setting.run(state, module, code) for module, code in rest]
        return self._point(losses, [point.inputs[0], *inputs], [point.outputs[0], *outputs])

    def _swept(self, point: Point, step: Tensor) -> list[Tensor]:
        """Return the codes after one sweep, from the last to the first."""
        codes: list[Tensor] = []
        signal = point.by_logits
        for index in reversed(range(1, len(point.inputs))):
            code, predicted = point.inputs[index].detach(), point.outputs[index - 1].detach()
            [from_above] = torch.autograd.grad(
                point.outputs[index], point.inputs[index], signal, retain_graph=True
            )
            size = step.view(*step.shape, *[1] * (code.ndim - 2))
            moved = code - size * (self._fields.rho * (code - predicted) + from_above)
            codes.insert(0, moved)
            signal = self._fields.rho * (predicted - moved)
        return codes
