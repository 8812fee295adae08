"""The members' tangent kernels J_j J_jᵀ, written out."""

import numpy as np
import torch
from numpy.typing import NDArray

from jtdiag_probes.conditioning import output_curvature
from jtdiag_probes.linalg.curvature_products import Tangents

Floats = NDArray[np.floating]


def kernels_without_shifts(tangents: Tangents) -> Floats:
    """Return every member's tangent kernel without softmax shifts, (M, n·(K−1), n·(K−1)).

    Each column takes one product for all members together.
    """
    members, examples, classes = tangents.outputs.shape
    basis = torch.from_numpy(output_curvature.without_shifts(classes)).to(tangents.outputs)
    product = tangents.kernel(lambda u: u)
    columns = []
    for example in range(examples):
        for direction in basis.T:
            u = torch.zeros_like(tangents.outputs)
            u[:, example] = direction
            columns.append((product(u).detach() @ basis).reshape(members, -1))
    kernels = torch.stack(columns, 2)
    return np.asarray(((kernels + kernels.mT) / 2).numpy())
