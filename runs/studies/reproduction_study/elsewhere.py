"""Claims that the study `paper` cannot judge: what is known of them, and where from."""

from pathlib import Path

from early_warning_study import lanes, questions
from early_warning_study.training import TABLES

HEAD = ("source", "claim", "what is known", "verdict")
STUDIES = Path(__file__).parents[1]
STARTS = {
    "equal": "whose members start alike",
    "spread": "whose members start unequally",
    "ahead": "in which one member starts ahead",
}


def rows() -> list[list[str]]:
    """Return the rows of the table: source, claim, what is known, verdict."""
    return [
        [
            "Eqs. 2, 3, 5",
            "the ensemble minimizes the mean divergence; the joint loss is the mean loss of the "
            "members minus λ times their diversity",
            "proved; [diversity](probes/diversity.md) checks the identity in every run",
            "**holds**",
        ],
        [
            "Section 4",
            "the condition number of the Hessian tends to infinity as λ tends to 1",
            "proved for the Hessian with respect to outputs, exactly 1/(1 − λ) for squared errors: "
            "[conditioning](probes/conditioning.md)",
            "**holds**",
        ],
        [
            "Table 1",
            "DN-High, DN-Mid and DN-Low have 3.2, 2.1 and 1.7 million parameters",
            "3,200,128, 2,132,448 and 1,685,056: `jtdiag train cifar100-dn-low --dry-run`",
            "**holds**",
        ],
        [
            "Table 2",
            "18 test errors of DenseNets: λ = 1 is the worst λ for every size, bagging is worse "
            "than every λ, and the best λ falls from 0.5 to 0 as members grow",
            _NOT_HERE,
            "not testable here",
        ],
        [
            "Fig. 4",
            "of ConvNets of 1.2 million parameters the best λ lies between the two extremes",
            "16 of these have 18 million parameters, too many for this study; smaller ones are in "
            "the section on images; the recipe is `cifar100-conv-64`",
            "not testable here",
        ],
        [
            "Fig. 6, top",
            "at λ = 1, and not below it, one member of a DenseNet is good and the others are poor",
            *_dominated(),
        ],
        [
            "Section 5",
            "in every trial, the member with the lowest training error after epoch 3 dominates at "
            "the end",
            *_leaders(),
        ],
    ]


_NOT_HERE = (
    "36 lanes of 234,600 steps each, and a step takes seconds on two cores; the recipes are "
    "`cifar100-dn-low`, `-mid` and `-high`"
)


def _lanes() -> lanes.Lanes:
    return lanes.load(STUDIES / TABLES["rules"])


def _dominated() -> tuple[str, str]:
    every = _lanes()
    counts = {
        start: (
            int((every.dominated & (every.lam == 1) & (every.start == start)).sum()),
            int(((every.lam == 1) & (every.start == start)).sum()),
        )
        for start in STARTS
    }
    below = int((every.dominated & (every.lam < 1)).sum())
    text = ", ".join(f"{n} of {of} lanes {STARTS[start]}" for start, (n, of) in counts.items())
    return (
        "in small MLPs at λ = 1, one member dominates in "
        f"{text}, and in {below} of {int((every.lam < 1).sum())} lanes at λ < 1: "
        "[early diagnosis](early-diagnosis.md)",
        "**holds in part**: mostly with unequal starts",
    )


def _leaders() -> tuple[str, str]:
    every = _lanes()
    claim = next(c for c in questions.claims(every) if c.of == "dominated")
    low, high = (100 * end for end in claim.interval)
    return (
        f"in {claim.held} of {claim.lanes} dominated lanes of small MLPs (95 % interval {low:.0f} "
        f"to {high:.0f} %): [early diagnosis](early-diagnosis.md)",
        "**holds**" if claim.held == claim.lanes else "**holds in part**: not in every trial",
    )
