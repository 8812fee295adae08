import numpy as np

from jtdiag.stats import Interval, listed, plus_minus, signed, with_interval, with_power


def test_a_mean_is_written_with_its_interval_in_its_unit():
    assert with_interval(Interval(11.57, 11.3, 11.84), unit="%") == (
        "11.6 % (95 % interval 11.3 to 11.8 %)"
    )
    assert with_interval(Interval(0.5, -0.25, 1.25), "+.2f") == (
        "+0.50 (95 % interval −0.25 to +1.25)"
    )


def test_a_mean_without_interval_is_written_alone():
    assert with_interval(Interval(-11.57, np.nan, np.nan), ".2f", "nats") == "−11.57 nats"


def test_what_a_test_could_have_found_is_written_with_its_probability():
    assert with_power(0.94, unit="points") == (
        "a difference of 0.9 points would have been detected with a probability of 80 %"
    )


def test_numbers_are_written_with_their_standard_error_sign_and_unit():
    assert plus_minus(11.57, 0.06, unit="%") == "11.6 ± 0.1 %"
    assert plus_minus(-11.57, np.nan, ".2f", "nats") == "−11.57 nats"
    assert [plus_minus(value, 0.1) for value in (np.nan, np.inf)] == 2 * ["not measured"]
    assert [signed(0.2), signed(-1.3, ".1f")] == ["+0.20", "−1.3"]


def test_a_list_reads_as_in_a_sentence():
    assert [listed(list(letters)) for letters in ("a", "ab", "abc")] == [
        "a",
        "a and b",
        "a, b and c",
    ]
