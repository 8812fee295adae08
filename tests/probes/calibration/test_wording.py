import inspect

import pytest

from jtdiag.stats import Interval
from jtdiag_probes.calibration import wording
from jtdiag_probes.calibration.wording import Chance, Gap

NAN = float("nan")


def gap(mean, trials=3):
    """A gap with intervals of ± 2 and ± 4 points."""
    ends = (mean - 0.04, mean + 0.04) if trials > 1 else (NAN, NAN)
    return Gap(
        over_examples=Interval(mean, mean - 0.02, mean + 0.02),
        over_trials=Interval(mean, *ends),
        trials=trials,
        detectable=0.03,
    )


SENTENCES = [
    (
        wording.calibration(0.9, "overconfident", gap(0.051)),
        "λ = 0.9: the ensemble is overconfident: on test, its mean confidence is 5.1 points above "
        "its accuracy (95 % interval of the difference for these 3 trained ensembles, over test "
        "examples: +3.1 to +7.1; over test examples and trials: +1.1 to +9.1 points).",
    ),
    (
        wording.calibration(0, "underconfident", gap(-0.051, trials=1), diverged=2),
        "λ = 0: the ensemble is underconfident: on test, its mean confidence is 5.1 points below "
        "its accuracy (95 % interval of the difference for the trained ensemble, over test "
        "examples: −7.1 to −3.1 points), without 2 trials in which a member diverged.",
    ),
    (
        wording.calibration(1, None, gap(0.001, trials=1), diverged=1),
        "λ = 1: no miscalibration was detected: on test, the ensemble's mean confidence is 0.1 "
        "points above its accuracy (95 % interval of the difference for the trained ensemble, over "
        "test examples: −1.9 to +2.1 points), without 1 trial in which a member diverged. A "
        "difference of 3.0 points would have been detected with a probability of 80 %.",
    ),
    (
        wording.calibration(1, "miscalibrated", gap(0.001, trials=1)),
        "λ = 1: the ensemble is miscalibrated, though not in one direction: on test, its mean "
        "confidence is 0.1 points above its accuracy (95 % interval of the difference for the "
        "trained ensemble, over test examples: −1.9 to +2.1 points).",
    ),
    (
        wording.calibration_error(
            Chance(error=Interval(0.051, -0.001, 0.06), if_calibrated=0.008, p=0.0004), 0.013
        ),
        "Its expected calibration error is 5.1 % (95 % interval 0.0 to 6.0 %); a calibrated "
        "ensemble would have about 0.8 % (p < 0.001); the median member's is 1.3 %.",
    ),
    (
        wording.calibration_error(
            Chance(error=Interval(0.051, NAN, NAN), if_calibrated=0.008, p=0.213), NAN
        ),
        "Its expected calibration error is 5.1 %; a calibrated ensemble would have about 0.8 % "
        "(p = 0.21).",
    ),
    (wording.headline(0.9, "overconfident"), "the ensemble is overconfident at λ = 0.9"),
    (wording.headline(0.9, "miscalibrated"), "the ensemble is miscalibrated at λ = 0.9"),
    (wording.headline(1.0, None), "no miscalibration was detected at λ = 1"),
    (
        wording.temperature_scaling(2.1, scaled=0.012, fitted=3, trials=3),
        "With temperature scaling (T = 2.10, fitted on val), the expected calibration error is "
        "1.2 %.",
    ),
    (
        wording.temperature_scaling(2.1, scaled=0.012, fitted=2, trials=3),
        "With temperature scaling (T = 2.10, fitted on val; in 1 trial the loss on val has no "
        "minimum for temperatures from 0.01 to 100), the expected calibration error is 1.2 %.",
    ),
    (
        wording.temperature_scaling(NAN, scaled=NAN, fitted=0, trials=3),
        "No temperature was fitted: the loss on val has no minimum for temperatures from 0.01 to "
        "100.",
    ),
    (
        wording.keep_val(),
        'Store the outputs of val (keep.splits = ["val", "test"]) to fit a temperature.',
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
