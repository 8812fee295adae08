"""The paper's claims on capacity and depth, of ConvNets and DenseNets on images."""

from dataclasses import replace

from reproduction_study import quantities
from reproduction_study.claims import CHANCE, DOMINATED_FROM, Claim
from reproduction_study.lanes import Measured
from reproduction_study.quantities import Cell, Pooled

NARROW, WIDE = "conv-w4", "conv-w16"
SHALLOW, DEEP = "conv-d2", "conv-d8"
DENSE, DEEP_DENSE = "densenet-10", "densenet-16"


def errors(measured: Measured, comparisons: int, runs: tuple[str, ...]) -> Pooled:
    """Return test errors of some runs, whose variance over trials is pooled."""
    return quantities.column(_of(measured, runs), "test_ensemble_best", comparisons)


def _of(measured: Measured, runs: tuple[str, ...]) -> Measured:
    return replace(measured, lanes=[row for row in measured.lanes if row["run"] in runs])


def _difference(source: str, statement: str, run: str, more: float, less: float) -> Claim:
    return Claim(
        source=source,
        statement=statement,
        pool=lambda measured, comparisons: errors(measured, comparisons, (run,)),
        weights={(run, more): 1.0, (run, less): -1.0},
        least=0,
    )


def _grows(source: str, statement: str, large: str, small: str, lam: float) -> Claim:
    """Return that the disadvantage of a λ against λ = 0 is greater for one run than another."""
    weights: dict[Cell, float] = {(large, lam): 1.0, (large, 0.0): -1.0}
    return Claim(
        source=source,
        statement=statement,
        pool=lambda measured, comparisons: errors(measured, comparisons, (large, small)),
        weights={**weights, (small, lam): -1.0, (small, 0.0): 1.0},
        least=0,
    )


def _leader(measured: Measured, comparisons: int) -> Pooled:
    return quantities.leader_skill(_of(measured, (DENSE,)), comparisons, CHANCE)


def _strong_filters(measured: Measured, comparisons: int) -> Pooled:
    return quantities.column(_of(measured, (WIDE,)), "strong_filters", comparisons)


CLAIMS = (
    _grows(
        "Fig. 4",
        "the best λ falls with capacity: error at λ = 1 minus that at λ = 0, width 16 minus 4",
        WIDE,
        NARROW,
        1.0,
    ),
    _grows("Fig. 4", "the same at λ = 0.9", WIDE, NARROW, 0.9),
    _grows("Fig. 4", "the same with depth, at λ = 1: 8 layers minus 2", DEEP, SHALLOW, 1.0),
    _difference(
        "Fig. 4",
        "of large networks the best λ lies between the extremes: λ = 0 minus 0.5, width 16",
        WIDE,
        0.0,
        0.5,
    ),
    _difference("Table 2", "λ = 1 is worse than independent training: width 16", WIDE, 1.0, 0.0),
    _difference("Table 2", "the same for DenseNets of depth 10", DENSE, 1.0, 0.0),
    _difference("Table 2", "the same for DenseNets of depth 16", DEEP_DENSE, 1.0, 0.0),
    Claim(
        source="Fig. 5",
        statement="at λ = 1 one network has strong filters: median member's over the strongest",
        pool=_strong_filters,
        weights={(WIDE, 1.0): 1.0},
        most=50,
        unit="%",
    ),
    Claim(
        source="Fig. 6",
        statement="at λ = 1 one DenseNet is good alone: share of the best in the skill",
        pool=_leader,
        weights={(DENSE, 1.0): 1.0},
        least=100 * DOMINATED_FROM,
        unit="%",
    ),
)
