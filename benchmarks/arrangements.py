"""Ways to take one training step of an ensemble: jtdiag's, and those it is compared with.

All start from the same weights, see the same batches, move by the same rule and count the same
four metrics: loss and error of every member and of the ensemble. `training_step.py` checks that
their numbers agree before it times them. Shape suffixes: M members, B examples, K classes.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from jtdiag import names
from jtdiag.engine.lane_group import LaneGroup
from jtdiag.engine.running_means import RunningMeans

Metrics = dict[str, NDArray[np.float64]]
"""Means over the examples seen: (M,) for the members, () for the ensemble."""
Weights = Mapping[str, Tensor]
"""``layerN.weight`` (M, out, in) and ``layerN.bias`` (M, out)."""


class Arrangement(Protocol):
    """One way to train."""

    def reset(self) -> None:
        """Go back to the initial weights, with nothing counted."""

    def step(self, x: Tensor, target: Tensor) -> None:
        """Take one step on inputs (B, D) and classes (B,), and count its metrics."""

    def metrics(self) -> Metrics:
        """Return what was counted, on the host."""

    def weights(self) -> Weights:
        """Return the weights as they are."""


class Jtdiag:
    """The engine's own step, for one lane."""

    def __init__(self, group: LaneGroup) -> None:
        self.group = group
        self._lr = group._per_lane([group.recipe.lr(0, 1)])
        weights, memory = group.snapshot(0)
        self._start = {f"weight/{name}": w.cpu().numpy() for name, w in weights.items()}
        self._start |= {f"memory/{name}": v.cpu().numpy() for name, v in memory.items()}
        self._means = self._empty()

    def _empty(self) -> RunningMeans:
        return RunningMeans(1, self.group.recipe.members.count, self.group.device)

    def reset(self) -> None:
        """Go back to the initial weights, with nothing counted."""
        self.group.restore([self._start])
        self._means = self._empty()

    def step(self, x: Tensor, target: Tensor) -> None:
        """Take one step."""
        positions = torch.arange(len(x))[None]
        self.group._step((1, 0), x[None], target[None], self._lr, self._means, positions=positions)

    def metrics(self) -> Metrics:
        """Return what was counted."""
        return {name: values[0] for name, values in self._means.means().items()}

    def weights(self) -> Weights:
        """Return the weights as they are."""
        return {name: weight.detach()[0] for name, weight in self.group.weights.items()}


def _sgd(parameters: list[Tensor], group: LaneGroup) -> torch.optim.SGD:
    """Return torch's optimiser with the recipe's learning rate and momentum."""
    train = group.recipe.train
    return torch.optim.SGD(parameters, lr=group.recipe.lr(0, 1), momentum=train.momentum)


class Authors:
    """Arrangement (a): that of the authors' code of 2019.

    A batched matrix product per layer, with the input broadcast over the members; a Python list
    of one cross-entropy per member; after the update, every member's error, loss and entropy
    fetched to the host one by one. Where the description leaves a choice it is the quick one:
    matmul broadcasts without a copy of the input for every member, and iterating over the logits
    has one backward step where indexing has M.
    """

    def __init__(self, group: LaneGroup) -> None:
        self._lam = group.recipe.lam[0]
        self._start = {name: w.clone() for name, w in group.snapshot(0)[0].items()}
        self._group = group
        self.reset()

    def reset(self) -> None:
        """Go back to the initial weights, with nothing counted."""
        self._layers: list[tuple[Tensor, Tensor]] = []
        for i in range(1, len(self._start) // 2 + 1):
            weight = self._start[f"layer{i}.weight"].mT  # (M, in, out)
            bias = self._start[f"layer{i}.bias"].unsqueeze(1)
            own = [t.clone(memory_format=torch.contiguous_format) for t in (weight, bias)]
            self._layers.append((own[0].requires_grad_(), own[1].requires_grad_()))
        self._optimizer = _sgd([tensor for layer in self._layers for tensor in layer], self._group)
        self._criterion = nn.CrossEntropyLoss()
        self._seen: list[NDArray[np.float64]] = []
        self._entropies: list[list[NDArray[np.float64]]] = []

    def step(self, x: Tensor, target: Tensor) -> None:
        """Take one step."""
        logits = self._logits(x)
        losses = [self._criterion(member, target) for member in logits]
        ensemble = self._criterion(logits.mean(0), target)
        loss = self._lam * ensemble + (1 - self._lam) * torch.stack(losses).mean()
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        with torch.no_grad():
            self._count(logits, losses, ensemble, target)

    def _logits(self, x: Tensor) -> Tensor:
        h = x.unsqueeze(0)
        for weight, bias in self._layers[:-1]:
            h = functional.relu(torch.matmul(h, weight) + bias)
        weight, bias = self._layers[-1]
        return torch.matmul(h, weight) + bias

    def _count(
        self, logits: Tensor, losses: list[Tensor], ensemble: Tensor, target: Tensor
    ) -> None:
        member_error = [_error(member, target).cpu().numpy() for member in logits]
        member_loss = [loss.detach().cpu().numpy() for loss in losses]
        self._entropies.append([_entropy(member).cpu().numpy() for member in logits])
        last = [ensemble.detach().cpu().numpy(), _error(logits.mean(0), target).cpu().numpy()]
        self._seen.append(np.array([*member_loss, *member_error, *last], dtype=np.float64))

    def metrics(self) -> Metrics:
        """Return what was counted; batches are of one size."""
        means = np.mean(self._seen, 0)
        members = (len(means) - 2) // 2
        return {
            names.MEMBER_LOSS: means[:members],
            names.MEMBER_ERROR: means[members:-2],
            names.ENSEMBLE_LOSS: means[-2],
            names.ENSEMBLE_ERROR: means[-1],
        }

    def weights(self) -> Weights:
        """Return the weights as they are."""
        found = {}
        for i, (weight, bias) in enumerate(self._layers, 1):
            found[f"layer{i}.weight"] = weight.detach().transpose(1, 2)
            found[f"layer{i}.bias"] = bias.detach().squeeze(1)
        return found


def _error(logits_BK: Tensor, target: Tensor) -> Tensor:
    return (logits_BK.argmax(-1) != target).double().mean()


def _entropy(logits_BK: Tensor) -> Tensor:
    log_q = functional.log_softmax(logits_BK, -1)
    return -(log_q.exp() * log_q).sum(-1).mean()


class _Modules:
    """What (b) and (c) share: members as nn.Modules, and metrics summed on the device."""

    def __init__(self, group: LaneGroup, *, metrics: bool = True) -> None:
        self._lam = group.recipe.lam[0]
        self._group = group
        self._start = {name: w.clone() for name, w in group.snapshot(0)[0].items()}
        self.with_metrics = metrics
        self.reset()

    def reset(self) -> None:
        """Go back to the initial weights, with nothing counted."""
        self._optimizer = _sgd(self._prepare(_networks(self._start)), self._group)
        self._sums: dict[str, Tensor | float] = dict.fromkeys(
            (names.MEMBER_LOSS, names.MEMBER_ERROR, names.ENSEMBLE_LOSS, names.ENSEMBLE_ERROR), 0.0
        )
        self._steps = 0

    def step(self, x: Tensor, target: Tensor) -> None:
        """Take one step."""
        logits = self._logits(x)
        members, batch, classes = logits.shape
        losses = functional.cross_entropy(
            logits.reshape(-1, classes), target.repeat(members), reduction="none"
        )
        losses = losses.view(members, batch).mean(1)
        ensemble = functional.cross_entropy(logits.mean(0), target)
        loss = self._lam * ensemble + (1 - self._lam) * losses.mean()
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        if self.with_metrics:
            self._count(logits.detach(), losses.detach(), ensemble.detach(), target)

    def _count(self, logits: Tensor, losses: Tensor, ensemble: Tensor, target: Tensor) -> None:
        self._sums[names.MEMBER_LOSS] += losses.double()
        self._sums[names.MEMBER_ERROR] += (logits.argmax(-1) != target).double().mean(-1)
        self._sums[names.ENSEMBLE_LOSS] += ensemble.double()
        self._sums[names.ENSEMBLE_ERROR] += _error(logits.mean(0), target)
        self._steps += 1

    def metrics(self) -> Metrics:
        """Return what was counted; batches are of one size."""
        return {name: np.asarray(total) / self._steps for name, total in self._sums.items()}

    def _prepare(self, networks: list[nn.Sequential]) -> list[Tensor]:
        """Take over the networks; return the tensors to optimise."""
        raise NotImplementedError

    def _logits(self, x: Tensor) -> Tensor:
        """Return logits (M, B, K)."""
        raise NotImplementedError


class Vmapped(_Modules):
    """Arrangement (b): torch.func's stack_module_state and vmap."""

    def _prepare(self, networks: list[nn.Sequential]) -> list[Tensor]:
        self._parameters, buffers = torch.func.stack_module_state(networks)
        skeleton = networks[0].to("meta")

        def forward(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
            logits: Tensor = torch.func.functional_call(skeleton, (parameters, buffers), (x,))
            return logits

        self._forward = torch.func.vmap(forward, in_dims=(0, None))
        return list(self._parameters.values())

    def _logits(self, x: Tensor) -> Tensor:
        logits: Tensor = self._forward(self._parameters, x)
        return logits

    def weights(self) -> Weights:
        """Return the weights as they are."""
        return _renamed({name: p.detach() for name, p in self._parameters.items()})


class Loop(_Modules):
    """Arrangement (c): one nn.Module after the other."""

    def _prepare(self, networks: list[nn.Sequential]) -> list[Tensor]:
        self._networks = networks
        return [p for network in networks for p in network.parameters()]

    def _logits(self, x: Tensor) -> Tensor:
        return torch.stack([network(x) for network in self._networks])

    def weights(self) -> Weights:
        """Return the weights as they are."""
        states = [network.state_dict() for network in self._networks]
        return _renamed({name: torch.stack([s[name] for s in states]) for name in states[0]})


def _networks(start: Weights) -> list[nn.Sequential]:
    """Return one network of Linear and ReLU modules per member."""
    layers = len(start) // 2
    return [_network(start, m, layers) for m in range(len(start["layer1.bias"]))]


def _network(start: Weights, member: int, layers: int) -> nn.Sequential:
    modules: list[nn.Module] = []
    for i in range(1, layers + 1):
        weight, bias = start[f"layer{i}.weight"][member], start[f"layer{i}.bias"][member]
        linear = nn.Linear(*weight.shape[::-1]).to(weight)
        linear.load_state_dict({"weight": weight, "bias": bias})
        modules += [linear, nn.ReLU()]
    return nn.Sequential(*modules[:-1])


def _renamed(found: Weights) -> Weights:
    """Turn a Sequential's names, in which every other module is a layer, into jtdiag's."""
    renamed = {}
    for name, tensor in found.items():
        position, _, kind = name.partition(".")
        renamed[f"layer{int(position) // 2 + 1}.{kind}"] = tensor
    return renamed
