import pytest

from jtdiag.errors import DataError
from jtdiag.recipe.image_layout import channels_last


@pytest.mark.parametrize(
    ("example", "last"),
    [
        ((28, 28, 1), True),
        ((32, 48, 3), True),
        ((1, 28, 28), False),
        ((4, 32, 48), False),
        ((13, 64, 48), False),
        ((2, 5, 6), False),
        ((13, 64, 64), False),
    ],
)
def test_the_order_of_axes_follows_from_the_shape(example, last):
    assert channels_last("x", (9, *example), "auto") is last


@pytest.mark.parametrize(
    "example",
    [
        (3, 3, 3),
        (4, 4, 4),
        (16, 16, 13),
        (28, 28, 2),
        (8, 9, 64),
        (7, 7, 512),
        (4, 4, 512),
        (3, 9, 3),
    ],
)
def test_an_open_order_of_axes_is_refused_and_can_be_set(example):
    with pytest.raises(DataError, match=r"^x has shape \(9, .* set data\.layout = "):
        channels_last("x", (9, *example), "auto")
    assert channels_last("x", (9, *example), "nhwc")
    assert not channels_last("x", (9, *example), "nchw")
