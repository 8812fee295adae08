import inspect

import pytest

from jtdiag.stats import Interval
from jtdiag_probes.conditioning import wording

NAN, INFINITY = float("nan"), float("inf")
R, ALONE = Interval(44.2, 41.3, 47.1), Interval(44.2, NAN, NAN)
HESSIAN = {"hessian_min": -0.017, "hessian_max": 0.214, "redundancy": R}
SENTENCES = [
    (
        wording.too_large(3, 1000, exact=True),
        "κ⁺ with respect to the outputs is not measured: the time for one example is proportional "
        "to M (K − 1)³, and with 3 members and 1000 classes that is too long. The mean curvature "
        "along consensus and along disagreement is measured.",
    ),
    (
        wording.too_large(3, 9000, exact=False),
        "Exact condition numbers are not measured: the time for one example is proportional to "
        "M (K − 1)³, and with 3 members and 9000 classes that is too long. The mean curvature "
        "along consensus and along disagreement is measured.",
    ),
    (
        wording.null_directions(7, 6.04),
        "λ = 1: the loss is singular with respect to the outputs: 7 output directions per example "
        "have no curvature; excluding them, κ⁺ is 6. Disagreement between members receives no "
        "gradient.",
    ),
    (
        wording.null_directions(7, INFINITY),
        "λ = 1: the loss is singular with respect to the outputs: 7 output directions per example "
        "have no curvature; excluding them, κ⁺ exceeds the precision of float64. Disagreement "
        "between members receives no gradient.",
    ),
    (
        wording.outputs(0.9, kappa=112.0, growth=0.0412, anisotropy=5.887, limit=20.0),
        "λ = 0.9: κ⁺ of the Hessian with respect to the outputs is 110 (median over examples), "
        "0.041 times its value at λ = 0 for the same outputs; the mean curvature along consensus "
        "is 5.89 times that along disagreement.",
    ),
    (
        wording.outputs(0.99, kappa=21329.0, growth=None, anisotropy=98.7, limit=20.0),
        "λ = 0.99: κ⁺ of the Hessian with respect to the outputs is 21000 (median over examples); "
        "the mean curvature along consensus is 98.7 times that along disagreement, so plain "
        "gradient descent corrects disagreement between members slowly.",
    ),
    (
        wording.outputs(0.0, kappa=28.0, growth=1.0, anisotropy=1.0, limit=20.0),
        "λ = 0: κ⁺ of the Hessian with respect to the outputs is 28 (median over examples); the "
        "mean curvature along consensus equals that along disagreement.",
    ),
    *(
        (
            wording.outputs(0.5, kappa=INFINITY, growth=None, anisotropy=anisotropy, limit=20.0),
            "λ = 0.5: κ⁺ of the Hessian with respect to the outputs exceeds the precision of "
            "float64 (median over examples).",
        )
        for anisotropy in (NAN, INFINITY)
    ),
    (
        wording.weights(0.9, kappa=125108.0, examples=4, growth=0.17, **HESSIAN),
        "λ = 0.9: the Gauss-Newton matrix with respect to the weights has κ ≥ 130000 (4 examples), "
        "0.17 times its value at λ = 0 for the same weights; the eigenvalues of the Hessian range "
        "from −0.017 to 0.21 nats; tangent redundancy 44 % (95 % interval 41 to 47 %).",
    ),
    (
        wording.weights(
            0.9, kappa=125.0, examples=1, growth=None, **HESSIAN | {"redundancy": ALONE}
        ),
        "λ = 0.9: the Gauss-Newton matrix with respect to the weights has κ ≥ 120 (1 example); the "
        "eigenvalues of the Hessian range from −0.017 to 0.21 nats; tangent redundancy 44 %.",
    ),
    (
        wording.weights(1.0, kappa=2.8e7, examples=4, growth=None, **HESSIAN),
        "λ = 1: the Gauss-Newton matrix with respect to the weights has κ ≥ 2.8e+07 (4 examples; "
        "null space of λ = 1 excluded); the eigenvalues of the Hessian range from −0.017 to 0.21 "
        "nats; tangent redundancy 44 % (95 % interval 41 to 47 %).",
    ),
    (
        wording.weights(0.9, kappa=None, examples=12, growth=None, **HESSIAN),
        "λ = 0.9: the Gauss-Newton matrix with respect to the weights is singular in float64 (12 "
        "examples); the eigenvalues of the Hessian range from −0.017 to 0.21 nats; tangent "
        "redundancy 44 % (95 % interval 41 to 47 %).",
    ),
    (
        wording.growth_at_fixed_outputs(0.997),
        "For fixed outputs and λ from 0.9 to 0.9999, κ⁺ with respect to the outputs scales as "
        "(1−λ)^−p with p = 1.00; theory predicts p = 1 for λ → 1. All points come from the same "
        "outputs, so there is no interval for p.",
    ),
    (
        wording.growth("kappa", Interval(0.997, 0.99431, 0.99978)),
        "After training at each λ, κ⁺ with respect to the outputs scales as (1−λ)^−p with p = "
        "0.9970 (95 % interval 0.9943 to 0.9998), below the p = 1 of theory for λ → 1 at fixed "
        "outputs.",
    ),
    (
        wording.growth("kappa_lower", Interval(0.5, 0.0, 0.9)),
        "After training at each λ, the lower bound on κ with respect to the weights scales as "
        "(1−λ)^−p with p = 0.50 (95 % interval 0.00 to 0.90), not significantly different from no "
        "growth.",
    ),
    (
        wording.growth("kappa_lower", Interval(-0.82, -1.3, -0.2)),
        "After training at each λ, the lower bound on κ with respect to the weights scales as "
        "(1−λ)^−p with p = −0.82 (95 % interval −1.30 to −0.20), which is a decrease.",
    ),
    (
        wording.growth("kappa", Interval(12.3, 9.9, 14.8)),
        "After training at each λ, κ⁺ with respect to the outputs scales as (1−λ)^−p with p = "
        "12.30 (95 % interval 9.90 to 14.80), above the p = 1 of theory for λ → 1 at fixed "
        "outputs.",
    ),
    (
        wording.growth("weight_anisotropy", Interval(1.2, 0.71, 1.7)),
        "After training at each λ, the largest curvature along consensus relative to that along "
        "disagreement, with respect to the weights, scales as (1−λ)^−p with p = 1.20 (95 % "
        "interval 0.71 to 1.70), not significantly different from the p = 1 of theory for λ → 1 "
        "at fixed outputs.",
    ),
    (
        wording.growth("kappa", Interval(-0.3, NAN, NAN)),
        "After training at each λ, κ⁺ with respect to the outputs scales as (1−λ)^−p with p = "
        "−0.30; without an interval, which needs several trials that differ.",
    ),
    (
        wording.not_twice_differentiable(0.5, 24.46),
        "λ = 0.5: the curvature with respect to the weights is not measured: a layer of the "
        "members has no correct second derivative (products differ from finite differences by 24 "
        "%). Write it with operations that can be differentiated twice.",
    ),
    (
        wording.not_twice_differentiable(1.0, None),
        "λ = 1: the curvature with respect to the weights is not measured: a layer of the members "
        "has no correct second derivative. Write it with operations that can be differentiated "
        "twice.",
    ),
    (
        wording.too_few_lambdas(2, 3),
        "How condition numbers of trained lanes grow with λ cannot be estimated: the run has 2 "
        "values of λ below 1, and at least 3 are needed.",
    ),
    (
        wording.too_few_lambdas(1, 3),
        "How condition numbers of trained lanes grow with λ cannot be estimated: the run has 1 "
        "value of λ below 1, and at least 3 are needed.",
    ),
]


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES)
def test_each_sentence_reads_as_written_here(sentence, expected):
    assert sentence == expected
    assert not any(part in sentence for part in ("nan", "inf", "  ", " ."))


def test_every_public_function_is_read_here():
    source = inspect.getsource(inspect.getmodule(test_each_sentence_reads_as_written_here))
    public = [
        name
        for name, value in vars(wording).items()
        if inspect.isfunction(value)
        and value.__module__ == wording.__name__
        and not name.startswith("_")
    ]
    assert [name for name in public if f"wording.{name}(" not in source] == []
