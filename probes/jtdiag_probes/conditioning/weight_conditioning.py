"""Curvature with respect to the weights, from a lane's last checkpoint."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from jtdiag import names
from jtdiag.probing.contract import Var
from jtdiag.replay import Replay
from jtdiag_probes.conditioning import cost, output_curvature, tangent_curvature
from jtdiag_probes.conditioning.output_curvature import Spectrum
from jtdiag_probes.conditioning.tangent_kernels import kernels_without_shifts
from jtdiag_probes.conditioning.tangent_redundancy import is_precise, tangent_redundancy
from jtdiag_probes.linalg import density, derivative_check
from jtdiag_probes.linalg.curvature_products import (
    OutputMap,
    Tangents,
    agreement,
    between,
    disagreement,
    output_hessian,
    own_hessian,
)
from jtdiag_probes.linalg.lanczos import Krylov, Ritz, batch_of_one, lanczos, ritz
from jtdiag_probes.linalg.trace import hutch_plus_plus

EXAMPLES = 200
"""Number of evenly spaced training examples over which the loss is averaged."""
EXACT = (1, 2, 4, 8, 12)
"""Numbers of examples on which both ends of the spectrum are computed exactly."""
EXACT_SIZE = 120
"""Maximum number of outputs n·(K−1) of such examples; a single example may have more."""
EXACT_EXAMPLES = "exact_examples"
STEPS, VECTORS = 30, 3
"""Lanczos steps and start vectors for the spectrum of the Hessian: both ends, and density."""
TOP_STEPS = 15
"""Lanczos steps for a largest eigenvalue alone."""
RANK_STEPS, RANK_VECTORS = 30, 5
TRACE_PRODUCTS = 30
BASIS_BYTES = 2**29
"""Maximum bytes of a Krylov basis; large members get fewer steps."""
AWAY = 1e-3
"""Distance at which derivatives are checked, as a fraction of the norm of the weights."""
POINTS = 241
"""Points of a spectral density."""
WIDTH = 0.15
"""Standard deviation of the smoothing of a density, in decades."""
EIGENVALUE = "eigenvalue"

_LANE = (names.LAM, names.TRIAL)
_RATIO = "1"
_NUMBERS = {
    "derivative_error": (
        _RATIO,
        "largest relative error of a product with the Jacobian and one with the Hessian against "
        "central differences; above 0.001, nothing else with respect to the weights is measured",
    ),
    "cross_share": (
        _RATIO,
        "share of the off-diagonal member blocks in the Gauss-Newton matrix's squared norm",
    ),
    "hessian_max": (names.NAT, "largest Ritz value of the Hessian"),
    "hessian_max_residual": (names.NAT, "bound on the distance to the nearest eigenvalue"),
    "hessian_min": (names.NAT, "smallest Ritz value of the Hessian"),
    "hessian_min_residual": (names.NAT, "bound on the distance to the nearest eigenvalue"),
    "hessian_negative": (names.COUNT, "Ritz values below zero by more than their residual"),
    "ggn_max": (names.NAT, "largest Ritz value of the Gauss-Newton matrix"),
    "ggn_max_residual": (names.NAT, "bound on the distance to the nearest eigenvalue"),
    "ggn_trace": (names.NAT, "trace of the Gauss-Newton matrix, by Hutch++"),
    "ggn_trace_se": (names.NAT, "standard error of the trace over random vectors"),
    "consensus_max": (
        names.NAT,
        "largest Ritz value along outputs common to all members (consensus)",
    ),
    "consensus_max_residual": (names.NAT, "bound on the distance to the nearest eigenvalue"),
    "disagreement_max": (
        names.NAT,
        "largest Ritz value along outputs with zero mean over members (disagreement)",
    ),
    "disagreement_max_residual": (names.NAT, "bound on the distance to the nearest eigenvalue"),
    "tangent_redundancy": (_RATIO, "R = 1 − soft rank of [J_1 … J_M] / Σ soft rank of J_j"),
    "tangent_redundancy_se": (_RATIO, "standard error of R over random vectors; 0 if exact"),
    "tangent_redundancy_quadrature": (
        _RATIO,
        "bound on the error of R because Lanczos stops; 0 if exact",
    ),
    "tangent_redundancy_low": (
        _RATIO,
        "95 % interval of R over random vectors and quadrature, lower end; R if exact",
    ),
    "tangent_redundancy_high": (
        _RATIO,
        "95 % interval of R over random vectors and quadrature, upper end; R if exact",
    ),
}

WRITES = {
    "checkpoint": Var(
        dims=_LANE,
        unit=names.INDEX,
        meaning="epoch of the weights: the last stored checkpoint; -1 for none",
        from_outputs=True,
    ),
    **{
        name: Var(dims=_LANE, unit=unit, meaning=meaning, from_outputs=True)
        for name, (unit, meaning) in _NUMBERS.items()
    },
    "kappa_exact": Var(
        dims=(*_LANE, EXACT_EXAMPLES),
        unit=_RATIO,
        meaning=(
            "exact κ of the Gauss-Newton matrix of a few examples, restricted to the weights that "
            "change their outputs; excludes softmax shifts and, at λ = 1, the null space; inf if "
            "a member cannot change these outputs independently"
        ),
        from_outputs=True,
    ),
    "kappa_exact_alone": Var(
        dims=(*_LANE, EXACT_EXAMPLES),
        unit=_RATIO,
        meaning="kappa_exact at λ = 0 for the same weights: the effect of saturation alone",
        from_outputs=True,
    ),
    "member_max": Var(
        dims=(*_LANE, names.MEMBER),
        unit=names.NAT,
        meaning="largest Ritz value of a member's diagonal block of the Gauss-Newton matrix",
        from_outputs=True,
    ),
    "member_max_residual": Var(
        dims=(*_LANE, names.MEMBER),
        unit=names.NAT,
        meaning="bound on the distance to the nearest eigenvalue",
        from_outputs=True,
    ),
    "density": Var(
        dims=(*_LANE, EIGENVALUE),
        unit=_RATIO,
        meaning="density of the Hessian's eigenvalues per decade, mean over start vectors",
        from_outputs=True,
    ),
    "density_se": Var(
        dims=(*_LANE, EIGENVALUE),
        unit=_RATIO,
        meaning="standard error of the density over start vectors",
        from_outputs=True,
    ),
}


class WeightCurvature:
    """Curvature of one lane's loss with respect to its weights, on some training examples."""

    def __init__(self, replay: Replay, examples: int = EXAMPLES) -> None:
        double = replay.double()
        x, target = replay.examples(names.TRAIN)
        subset = evenly(len(x), examples)
        self._target = target[subset]
        self._replay, self._x = double.with_spanned_inputs(x[subset].double())
        self.lam = replay.lam
        self.tangents = self._tangents(self._x)
        logits = self.tangents.outputs
        weights = sum(weight.numel() for weight in double.trained.values())
        self._zeros = 1 - self.tangents.size / weights
        self.hessian = self.tangents.hessian(self._loss(self.tangents))
        self._output_hessian = output_hessian(logits.detach(), self.lam)
        self._own_hessian = own_hessian(logits.detach(), self.lam)

    def _loss(self, tangents: Tangents) -> Tensor:
        return self._replay.loss_of(tangents.outputs, self._target)

    def _tangents(self, x: Tensor) -> Tangents:
        return Tangents(lambda w: self._replay.logits_of(w, x), self._replay.trained)

    def numbers(self) -> dict[str, float | NDArray[np.floating[Any]]]:
        """Return every variable of `WRITES` except the epoch of the checkpoint.

        Only `derivative_error` if it is too large.
        """
        error = self.derivative_error()
        if error > derivative_check.TOLERANCE:
            return {"derivative_error": error}
        return {
            "derivative_error": error,
            **self.exactly(),
            **self.ends_of_hessian(),
            **self.ends_of_gauss_newton(),
            **self.trace(),
            **self.members(),
            **self.redundancy(),
            **self.densities(),
        }

    # --- whether derivatives can be trusted ------------------------------------------------------

    def derivative_error(self) -> float:
        """Return the largest relative error of J v and H v against differences.

        They are compared at weights a little away from those of the lane: units without any input
        whose biases are 0 are exactly at the kink of a ReLU, where differences are wrong.
        Infinity if autograd refuses to form one of them; NaN if the outputs are not finite there.
        """
        v, away = density.random_vectors(2, self.tangents.size, self._x, seed=4)
        point = self.tangents.point
        near = self.tangents.moved(point + AWAY * point.norm() * away / away.norm())

        def outputs(point: Tensor) -> Tensor:
            return self.tangents.moved(point).outputs

        def gradient(point: Tensor) -> Tensor:
            moved = self.tangents.moved(point)
            return moved.gradient(self._loss(moved))

        try:
            hessian = near.hessian(self._loss(near))
            products = ((outputs, near.push(v)), (gradient, hessian(v)))
        except (RuntimeError, NotImplementedError):  # a layer without a second derivative
            return math.inf
        return max(
            derivative_check.disagreement(function, near.point, v, product)
            for function, product in products
        )

    # --- exact, on a few examples -----------------------------------------------------------------

    def exactly(self) -> dict[str, float | NDArray[np.floating[Any]]]:
        """Return κ of the Gauss-Newton matrix for each of `EXACT`, and its cross-member share.

        κ is infinite if a member cannot change the outputs of these examples independently. All
        are NaN if they take too long, see `cost.LARGEST_EXACT`.
        """
        members, _, classes = self.tangents.outputs.shape
        if cost.work(members, classes) > cost.LARGEST_EXACT:
            unknown = np.full(len(EXACT), np.nan)
            return {"kappa_exact": unknown, "kappa_exact_alone": unknown, "cross_share": np.nan}
        few = evenly(len(self._x), most_exact(classes))
        tangents = self._tangents(self._x[few])
        logits, kernels = tangents.outputs.detach().numpy(), kernels_without_shifts(tangents)
        kappa = np.full((2, len(EXACT)), np.nan)
        for i, count in enumerate(EXACT):
            if count <= len(few):
                size = count * (classes - 1)
                curvature = output_curvature.categorical(logits[:, :count])
                lifted = tangent_curvature.through_weights(curvature, kernels[:, :size, :size])
                kappa[0, i] = np.inf
                if lifted is not None:
                    spectrum = Spectrum(lifted)
                    kappa[0, i] = spectrum.extremes(self.lam).kappa[0]
                    kappa[1, i] = spectrum.extremes(0).kappa[0]
        share = tangent_curvature.cross_share(
            output_curvature.categorical(logits), kernels, self.lam
        )
        return {"kappa_exact": kappa[0], "kappa_exact_alone": kappa[1], "cross_share": share}

    # --- by Lanczos, on all examples of the subset -----------------------------------------------

    @functools.cached_property
    def _spectra(self) -> list[Ritz]:
        """Ritz values of the Hessian for each start vector."""
        size = self.tangents.size
        steps = self._affordable(STEPS, size)
        return density.quadratures(batch_of_one(self.hessian), size, steps, VECTORS, self._x)

    def ends_of_hessian(self) -> dict[str, float]:
        """Return both ends of the Hessian's spectrum and the number of negative Ritz values.

        All are those of the start vector that shows most: Ritz values are inside the spectrum.
        """
        top = max(self._spectra, key=lambda spectrum: float(spectrum.values[-1]))
        bottom = min(self._spectra, key=lambda spectrum: float(spectrum.values[0]))
        return {
            "hessian_max": float(top.values[-1]),
            "hessian_max_residual": float(top.residuals[-1]),
            "hessian_min": float(bottom.values[0]),
            "hessian_min_residual": float(bottom.residuals[0]),
            "hessian_negative": max(spectrum.negative for spectrum in self._spectra),
        }

    def ends_of_gauss_newton(self) -> dict[str, float]:
        """Return the largest eigenvalue: overall, along consensus, and along disagreement."""
        inner = self._output_hessian
        parts: dict[str, OutputMap] = {
            "ggn": inner,
            "consensus": between(agreement, inner),
            "disagreement": between(disagreement, inner),
        }
        ends = {}
        for name, part in parts.items():
            top = ritz(self._run(self.tangents.gauss_newton(part), TOP_STEPS))
            ends[f"{name}_max"] = float(top.values[-1])
            ends[f"{name}_max_residual"] = float(top.residuals[-1])
        return ends

    def trace(self) -> dict[str, float]:
        """Return the trace of the Gauss-Newton matrix with its standard error."""
        product = self.tangents.gauss_newton(self._output_hessian)
        like = self._x.new_empty(self.tangents.size)
        products = 3 * (self._affordable(TRACE_PRODUCTS, self.tangents.size) // 3)
        trace, error = hutch_plus_plus(product, like, max(6, products))
        return {"ggn_trace": trace, "ggn_trace_se": error}

    def members(self) -> dict[str, NDArray[np.floating[Any]]]:
        """Return the largest eigenvalue of every member's diagonal block, batched over members."""
        steps = self._affordable(TOP_STEPS, self.tangents.size)
        krylov = members_ends(self.tangents, self._own_hessian, steps)
        tops = [ritz(krylov, member) for member in range(self.tangents.members)]
        return {
            "member_max": np.array([float(top.values[-1]) for top in tops]),
            "member_max_residual": np.array([float(top.residuals[-1]) for top in tops]),
        }

    def redundancy(self) -> dict[str, float]:
        """Return the tangent redundancy R with its uncertainty.

        In single precision, which takes half of the time, where its rounding errors do not matter.
        """
        steps = self._affordable(RANK_STEPS, self.tangents.outputs.numel())
        replay, x = self._replay.single(), self._x.float()
        single = Tangents(lambda w: replay.logits_of(w, x), replay.trained)
        tangents = single if is_precise(single, self.tangents) else self.tangents
        redundancy = tangent_redundancy(tangents, steps, RANK_VECTORS)
        return {
            "tangent_redundancy": redundancy.value,
            "tangent_redundancy_se": redundancy.se,
            "tangent_redundancy_quadrature": redundancy.quadrature,
            "tangent_redundancy_low": redundancy.low,
            "tangent_redundancy_high": redundancy.high,
        }

    def densities(self) -> dict[str, NDArray[np.floating[Any]]]:
        """Return the spectral density of the Hessian with its standard error, (points,)."""
        spectra, points = self._spectra, density.axis(POINTS)
        mean, error = density.density(spectra, points, WIDTH, self._zeros)
        return {"density": mean, "density_se": error}

    def _run(self, product: Callable[[Tensor], Tensor], steps: int) -> Krylov:
        size = self.tangents.size
        start = density.random_vectors(1, size, self._x, seed=1)
        return lanczos(batch_of_one(product), start, self._affordable(steps, size))

    def _affordable(self, steps: int, numbers: int) -> int:
        return max(2, min(steps, BASIS_BYTES // (numbers * self._x.element_size())))


def most_exact(classes: int) -> int:
    """Return the largest number of examples of K classes for which κ is computed exactly."""
    return max([n for n in EXACT if n * (classes - 1) <= EXACT_SIZE], default=EXACT[0])


def evenly(count: int, wanted: int) -> NDArray[np.intp]:
    """Return the positions of `wanted` evenly spaced examples out of `count`, or of all."""
    return np.linspace(0, count - 1, min(wanted, count)).round().astype(np.intp)


def members_ends(tangents: Tangents, blocks: OutputMap, steps: int) -> Krylov:
    """Run Lanczos on every member's diagonal block of the Gauss-Newton matrix in one batch.

    One product with all weights serves all members, since members share no weights.
    """
    members = tangents.members
    product = tangents.gauss_newton(blocks)

    def of_all(v: Tensor) -> Tensor:
        return product(v.reshape(-1)).view(members, -1)

    size = tangents.size // members
    start = density.random_vectors(members, size, tangents.outputs.detach(), seed=2)
    return lanczos(of_all, start, steps)
