"""What layers of members represent, as unit vectors of which inner products are CKA."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.replay import Replay
from jtdiag_probes.conditioning.weight_conditioning import evenly
from jtdiag_probes.layers.examples import of_split, pooled
from jtdiag_probes.similarity import cka

EXAMPLES = 1000
"""Largest number of test examples, evenly spaced."""
LAYERS = 12
"""Largest number of layers that are measured, inputs and head included, evenly spaced."""
INPUTS = "inputs"
Units = NDArray[np.float64]
"""(…, D) unit vectors; NaN where features do not vary."""


def chosen_layers(layers: Sequence[str]) -> list[str]:
    """Return the inputs and the layers of a member, or some of them if they are many.

    Args:
        layers: Names of the layers of a member, the head last.
    """
    every = [INPUTS, *layers]
    return [every[i] for i in evenly(len(every), LAYERS)]


class Representations:
    """The examples, which are the same for every lane and epoch, and vectors of their features."""

    def __init__(self, replay: Replay, members: NDArray[np.intp]) -> None:
        self.x = of_split(replay, names.TEST, EXAMPLES).x
        self.layers = chosen_layers(replay.layers)
        self.members = members
        self._batches = cka.batches(len(self.x))
        self._inputs = self._unit(self.x.flatten(1).numpy())

    def of(self, replay: Replay) -> Units:
        """Return the vectors of an epoch, (layer, member, D)."""
        vectors = [np.broadcast_to(self._inputs, (len(self.members), self._inputs.size))]
        with replay.threads():
            for layer in self.layers[1:-1]:
                features = pooled(replay.features(self.x, layer)).numpy()
                vectors.append(self._of_members(features))
            vectors.append(self._of_members(self._outputs(replay)))
        return np.stack(vectors)

    def _outputs(self, replay: Replay) -> NDArray[np.floating]:
        """Return the members' outputs; logits of classes are centered: a shift has no effect."""
        logits = replay.logits(self.x).double()
        return replay.session.data.family.centred(logits).flatten(2).numpy()

    def _of_members(self, features: NDArray[np.floating]) -> Units:
        return np.stack([self._unit(features[j]) for j in self.members])

    def _unit(self, features: NDArray[np.floating]) -> Units:
        return cka.unit_vector(features, self._batches)
