import inspect

import pytest

from jtdiag_probes.conditioning import wording

NAN, INFINITY = float("nan"), float("inf")
HESSIAN = {"hessian_min": -0.017, "hessian_max": 0.214, "redundancy": 0.44}
SENTENCES = [
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
        "from −0.017 to 0.21 nats; 44 % of the members' combined tangent rank is redundant.",
    ),
    (
        wording.weights(0.9, kappa=125.0, examples=1, growth=None, **HESSIAN),
        "λ = 0.9: the Gauss-Newton matrix with respect to the weights has κ ≥ 120 (1 example); the "
        "eigenvalues of the Hessian range from −0.017 to 0.21 nats; 44 % of the members' combined "
        "tangent rank is redundant.",
    ),
    (
        wording.weights(1.0, kappa=2.8e7, examples=4, growth=None, **HESSIAN),
        "λ = 1: the Gauss-Newton matrix with respect to the weights has κ ≥ 2.8e+07 (4 examples; "
        "null space of λ = 1 excluded); the eigenvalues of the Hessian range from −0.017 to 0.21 "
        "nats; 44 % of the members' combined tangent rank is redundant.",
    ),
    (
        wording.weights(0.9, kappa=None, examples=12, growth=None, **HESSIAN),
        "λ = 0.9: the Gauss-Newton matrix with respect to the weights is singular in float64 (12 "
        "examples); the eigenvalues of the Hessian range from −0.017 to 0.21 nats; 44 % of the "
        "members' combined tangent rank is redundant.",
    ),
    (
        wording.growth("grid_kappa", 0.997, 0.989, 1.0041),
        "For fixed outputs and λ ≥ 0.9, κ⁺ with respect to the outputs scales as (1−λ)^−p with p = "
        "1.00 (95 % confidence interval 0.989 to 1.004), consistent with the p = 1 that theory "
        "predicts for λ → 1.",
    ),
    (
        wording.growth("grid_kappa", 0.997, 0.99431, 0.99978),
        "For fixed outputs and λ ≥ 0.9, κ⁺ with respect to the outputs scales as (1−λ)^−p with p = "
        "1.00 (95 % confidence interval 0.9943 to 0.9998), less than the p = 1 that theory "
        "predicts for λ → 1 at fixed outputs.",
    ),
    (
        wording.growth("kappa_lower", 0.5, 0.0, 0.9),
        "After training at each λ, the lower bound on κ with respect to the weights scales as "
        "(1−λ)^−p with p = 0.50 (95 % confidence interval 0.00 to 0.90), not significantly "
        "different from no growth.",
    ),
    (
        wording.growth("kappa", 12.3, 9.9, 14.8),
        "After training at each λ, κ⁺ with respect to the outputs scales as (1−λ)^−p with p = "
        "12.30 (95 % confidence interval 9.90 to 14.80), more than the p = 1 that theory predicts "
        "for λ alone at fixed outputs.",
    ),
    (
        wording.growth("kappa", 0.8, 0.65, 0.94),
        "After training at each λ, κ⁺ with respect to the outputs scales as (1−λ)^−p with p = 0.80 "
        "(95 % confidence interval 0.65 to 0.94), less than the p = 1 that theory predicts for λ → "
        "1 at fixed outputs.",
    ),
    (
        wording.growth("kappa_lower", 0.82, -0.12, 1.76),
        "After training at each λ, the lower bound on κ with respect to the weights scales as "
        "(1−λ)^−p with p = 0.82 (95 % confidence interval −0.12 to 1.76), not significantly "
        "different from no growth.",
    ),
    (
        wording.growth("weight_anisotropy", 17.5, 0.71, 34.2),
        "After training at each λ, the largest curvature along consensus relative to that along "
        "disagreement, with respect to the weights, scales as (1−λ)^−p with p = 17.50 (95 % "
        "confidence interval 0.71 to 34.20), too uncertain for a comparison with the p = 1 that "
        "theory predicts for λ → 1.",
    ),
    (
        wording.growth("kappa", -0.3, -INFINITY, INFINITY),
        "After training at each λ, κ⁺ with respect to the outputs scales as (1−λ)^−p with p = "
        "−0.30; with two values of λ there is no confidence interval.",
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
