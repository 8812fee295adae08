"""Members that are the branches of one network: they share its weights, and each has logits."""

from torch import Tensor

from jtdiag.engine.architectures.contract import State
from jtdiag.engine.architectures.module_stack import Execution, Factory, ModuleStack


class BranchStack(ModuleStack):
    """One network whose module returns logits (B, M, K), one row for each of its M branches.

    If the mean of the branches' logits is the output of the network, the ensemble of the branches
    is the network, and λ = 1 is ordinary end-to-end training.
    """

    def __init__(self, factory: Factory, *, draws: bool = False) -> None:
        super().__init__(1, factory, draws=draws)
        self.cuttable = False  # branches share their layers; none belongs to one member alone

    @property
    def executions(self) -> tuple[Execution, ...]:
        """Only the loop: there is one network, so nothing to stack or to map."""
        return ("loop",)

    def __call__(self, state: State, x: Tensor, *, training: bool = False) -> Tensor:
        """Return logits (L, M, K, B) for inputs (L, B, …) and a state (L, 1, …)."""
        self._template.train(training)
        logits = self._computed(self._function, state, x, shared=True)
        return logits.squeeze(1).permute(0, 2, 3, 1)
