import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, strategies as st

from jtdiag.errors import RecipeError
from jtdiag.names import lam_text
from jtdiag.recipe.toml import from_table


@pytest.mark.parametrize(
    ("lam", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (1, "1"),
        (0.9, "0.9"),
        (0.001, "0.001"),
        (0.0011, "0.0011"),
        (1e-9, "1e-09"),
        (0.99999999, "0.99999999"),
        (0.5000001, "0.5000001"),
        (1 / 3, "0.333333"),
        (2 / 3, "0.666667"),
        (0.1 + 0.2, "0.3"),
        (np.float32(0.9), "0.9"),
        (1 - 1e-9 / 3, "0.999999999666667"),
        (math.nextafter(1, 0), "0.999999999999999888978"),
    ],
)
def test_a_lambda_is_written_with_the_digits_that_identify_it(lam, text):
    assert lam_text(lam) == text


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_numbers_of_nine_decimals_are_written_as_they_were_typed(first, second):
    written = [lam_text(number / 10**9) for number in (first, second)]
    assert [float(text) for text in written] == [first / 10**9, second / 10**9]
    assert (written[0] == written[1]) == (first == second)


def test_evenly_spaced_numbers_are_all_written_differently():
    for count in (3, 7, 12, 100, 1000):
        written = [lam_text(lam) for lam in np.linspace(0, 1, count)]
        assert len(set(written)) == count
        assert all(float(a) < float(b) for a, b in pairwise(written))


def test_a_recipe_refuses_two_lambdas_that_are_written_alike():
    table = {"data": {"name": "digits"}, "members": {"arch": "mlp", "count": 2}}
    with pytest.raises(RecipeError) as caught:
        from_table({**table, "lam": [0.3, 0.1 + 0.2]})
    assert str(caught.value) == (
        "lam lists 0.3 and 0.30000000000000004, which are both written 0.3; omit one of them, or "
        "round them."
    )
