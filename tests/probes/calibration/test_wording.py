import inspect

import pytest

from jtdiag_probes.calibration import wording

NAN = float("nan")
SENTENCES = [
    (
        wording.calibration_error(
            0.9,
            "overconfident",
            error=0.051,
            se=0.002,
            chance=0.008,
            limit=2.0,
            member_error=0.013,
        ),
        "λ = 0.9: the ensemble is overconfident: its expected calibration error on test "
        "is 5.1 ± 0.2 %, more than twice the 0.8 % expected by chance; the median member's is "
        "1.3 %.",
    ),
    (
        wording.calibration_error(
            0.0,
            "underconfident",
            error=0.051,
            se=NAN,
            chance=0.008,
            limit=2.5,
            member_error=0.013,
        ),
        "λ = 0: the ensemble is underconfident: its expected calibration error on test "
        "is 5.1 %, more than 2.5 times the 0.8 % expected by chance; the median member's is 1.3 %.",
    ),
    (
        wording.calibration_error(
            1.0, None, error=0.013, se=0.001, chance=0.007, limit=2.0, member_error=0.611
        ),
        "λ = 1: no miscalibration was detected: the ensemble's expected calibration error on test "
        "is 1.3 ± 0.1 %, at most twice the 0.7 % expected by chance; the median member's is "
        "61.1 %.",
    ),
    (wording.headline(0.9, "overconfident"), "the ensemble is overconfident at λ = 0.9"),
    (wording.headline(0.0, "underconfident"), "the ensemble is underconfident at λ = 0"),
    (wording.headline(1.0, None), "no miscalibration was detected at λ = 1"),
    (
        wording.temperature_scaling(2.1, error=0.051, scaled=0.012),
        "Temperature scaling (T = 2.10, fitted on val) reduces the ensemble's error to 1.2 %.",
    ),
    (
        wording.temperature_scaling(0.9, error=0.051, scaled=0.06),
        "Temperature scaling (T = 0.90, fitted on val) does not reduce the ensemble's error, which "
        "is then 6.0 %.",
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
