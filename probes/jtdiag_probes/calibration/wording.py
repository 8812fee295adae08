"""Sentences of the calibration probe."""

from typing import Literal

from jtdiag.stats import plus_minus

Direction = Literal["overconfident", "underconfident"]


def calibration_error(
    lam: float,
    direction: Direction | None,
    *,
    error: float,
    se: float,
    chance: float,
    limit: float,
    member_error: float,
) -> str:
    """Return the ensemble's expected calibration error on test, compared with that by chance.

    Args:
        lam: λ.
        direction: None where the error does not exceed the limit.
        error: Expected calibration error of the ensemble, 0 to 1, mean over trials.
        se: Its standard error; NaN for one trial.
        chance: Error to be expected of a perfectly calibrated predictor.
        limit: Multiple of that error above which an error counts.
        member_error: Error of the median member.
    """
    subject = "its" if direction else "the ensemble's"
    times = "twice" if limit == 2 else f"{limit:g} times"
    verdict = f"the ensemble is {direction}" if direction else "no miscalibration was detected"
    compared = f"more than {times}" if direction else f"at most {times}"
    return (
        f"λ = {lam:g}: {verdict}: {subject} expected calibration error on test is "
        f"{plus_minus(100 * error, 100 * se, '.1f', '%')}, {compared} the {100 * chance:.1f} % "
        f"expected by chance; the median member's is {100 * member_error:.1f} %."
    )


def headline(lam: float, direction: Direction | None) -> str:
    """Return the same in a few words."""
    verdict = f"the ensemble is {direction}" if direction else "no miscalibration was detected"
    return f"{verdict} at λ = {lam:g}"


def temperature_scaling(temperature: float, *, error: float, scaled: float) -> str:
    """Return the effect of a fitted temperature on the ensemble's calibration error.

    Args:
        temperature: Fitted on val.
        error: Calibration error without it, 0 to 1.
        scaled: Calibration error with it.
    """
    effect = (
        f"reduces the ensemble's error to {100 * scaled:.1f} %"
        if scaled < error
        else f"does not reduce the ensemble's error, which is then {100 * scaled:.1f} %"
    )
    return f"Temperature scaling (T = {temperature:.2f}, fitted on val) {effect}."


def keep_val() -> str:
    """Return what to store so that a temperature can be fitted."""
    return 'Store the outputs of val (keep.splits = ["val", "test"]) to fit a temperature.'
