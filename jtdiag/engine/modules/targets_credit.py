"""Difference target propagation: a module is told what its output should have been.

The first target is t_{K−1} = h_{K−1} − η·∂L/∂h_{K−1}, with h_{K−1} the features of the last
hidden module and L the loss of one example and member. An inverse g_l of every further module hands
targets down,

    t_{l−1} = h_{l−1} + g_l(t_l) − g_l(h_l),

and module l descends |f_l(h_{l−1}) − t_l|², with t_l and h_{l−1} fixed; the last module descends
the loss. Inverses descend |g_l(f_l(c)) − c|² at c = h_{l−1} + noise (Lee et al. 2015, arXiv
1412.7525), or stay random. For square linear modules and exact inverses t_l − h_l is η times the
step of Gauss-Newton; for orthogonal ones it is −η·∂L/∂h_l.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from jtdiag import names
from jtdiag.engine.architectures.contract import State
from jtdiag.engine.modules.auxiliary_parts import Perceptrons
from jtdiag.engine.modules.contract import Batch, Credited, Ratio, Setting
from jtdiag.engine.modules.local_credit import WithLocalHeads, gradients
from jtdiag.engine.modules.local_terms import Root
from jtdiag.engine.modules.passes import BELOW, passed, squares, without_updates
from jtdiag.errors import RecipeError

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": torch.relu, "tanh": torch.tanh}


class Inverse:
    """From the output of a module to its input: linear, then the members' activation."""

    def __init__(
        self, name: str, outputs: int, inputs: int, activation: Callable[[Tensor], Tensor] | None
    ) -> None:
        self._perceptrons = Perceptrons(name, (outputs,), inputs)
        self._activation = activation
        self.parameters = self._perceptrons.parameters

    def __call__(self, auxiliaries: State, h: Tensor) -> Tensor:
        """Return inputs (L, M, B, D) of a module for outputs (L, M, B, D')."""
        inputs = self._perceptrons(auxiliaries, h).transpose(2, 3)
        return inputs if self._activation is None else self._activation(inputs)


class Targets(WithLocalHeads):
    """Hidden modules follow targets, which inverses hand down."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, heads=False)
        members = setting.recipe.members
        self._fields = setting.recipe.modules
        tanh_or_relu = "activation" in members.architecture.fields
        activation = ACTIVATIONS[members.activation] if tanh_or_relu else None
        self._inverses: dict[int, Inverse] = {}
        """By the number of the module; the first one needs none."""
        shapes = [*setting.features, (setting.outputs,)]
        stop = len(shapes) if self._fields.first == "output" else len(shapes) - 1
        for index in range(1, stop):
            for end in (index - 1, index):
                _require_vector(setting.modules[end].name, shapes[end])
            name = f"{setting.modules[index].prefix}inverse"
            outputs, inputs = math.prod(shapes[index]), math.prod(shapes[index - 1])
            self._inverses[index] = Inverse(name, outputs, inputs, activation)
            self.auxiliaries |= self._inverses[index].parameters

    def step(self, batch: Batch) -> Credited:
        """Return the gradients of all modules and of the inverses."""
        inputs, outputs = passed(self.setting, batch)
        logits = outputs[-1].detach()
        signal = batch.losses.by_logits(logits)
        follow = batch.weights([self._last])
        computed = gradients([(outputs[-1], signal)], {**follow, BELOW: inputs[-1]})
        of_example = logits.shape[3] * batch.members  # the gradients are those of a mean
        features = [h.detach() for h in outputs[:-1]]
        first = -self._fields.step * of_example * computed.pop(BELOW)
        if self._fields.first == "output":
            change = -self._fields.step * of_example * signal.mT
            first = self._handed_down(batch, len(features), logits.mT, change)
        roots: list[Root] = []
        change = first
        for index in reversed(range(len(features))):
            roots.append((outputs[index], -2 / of_example * change))
            if index:
                change = self._handed_down(batch, index, features[index], change)
        weights = {n: batch.state[n] for module in self._hidden for n in module.parameters}
        if self._fields.inverse == "learned":
            roots += self._reconstructions(batch, features, of_example)
            weights |= batch.auxiliaries
        return Credited(
            logits=logits,
            gradients=computed | gradients(roots, weights),
            features=features,
            measured={names.INVERSE_ERROR: self._error(batch, [*features, logits.mT])},
        )

    @torch.no_grad()
    def _handed_down(self, batch: Batch, index: int, h: Tensor, change: Tensor) -> Tensor:
        """Return t − h of the module below, given h and t − h of a module."""
        inverse = self._inverses[index]
        return handed_down(lambda outputs: inverse(batch.auxiliaries, outputs), h, change)

    def _reconstructions(
        self, batch: Batch, features: Sequence[Tensor], of_example: int
    ) -> list[Root]:
        """Return what inverses reconstruct from noisy inputs, and the gradients of the errors."""
        state, roots = without_updates(self.setting, batch.state), []
        for index, inverse in self._inverses.items():
            h = features[index - 1]
            noisy = h + self._fields.noise * batch.noise.normal(index, h)
            with torch.no_grad():
                out = self.setting.run(state, self.setting.modules[index], noisy)
            if index == len(features):
                out = out.mT
            reconstructed = inverse(batch.auxiliaries, out)
            roots.append((reconstructed, 2 / of_example * (reconstructed.detach() - noisy)))
        return roots

    @torch.no_grad()
    def _error(self, batch: Batch, outputs: Sequence[Tensor]) -> Ratio:
        """Return squared errors of the inverses, without noise, and the inputs' sums of squares."""
        nothing = torch.zeros(outputs[0].shape[:2], dtype=torch.float64, device=outputs[0].device)
        errors, totals = [nothing] * len(outputs), [nothing] * len(outputs)
        for index, inverse in self._inverses.items():
            h = outputs[index - 1]
            errors[index] = squares(inverse(batch.auxiliaries, outputs[index]) - h)
            totals[index] = squares(h - h.mean(2, keepdim=True))
        return Ratio(numerator=torch.stack(errors, -1), denominator=torch.stack(totals, -1))


def handed_down(inverse: Callable[[Tensor], Tensor], h: Tensor, change: Tensor) -> Tensor:
    """Return g(h + change) − g(h), by which a target differs from the input of a module.

    Args:
        inverse: g, from outputs (…, B, D') to inputs (…, B, D).
        h: Outputs of the module.
        change: By which their target differs from them.
    """
    # One product for both is faster than two.
    target, own = inverse(torch.cat([h + change, h], -2)).chunk(2, -2)
    return target - own


def _require_vector(module: str, shape: tuple[int, ...]) -> None:
    if len(shape) != 1:
        raise RecipeError(
            f"modules.credit is 'targets', whose inverses are of vectors, but {module} returns "
            f"{shape} for an example; use members with vectors between modules, such as "
            "arch = 'mlp', or another credit."
        )
