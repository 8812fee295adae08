import pytest

from jtdiag.engine import architectures, memory
from jtdiag.errors import RecipeError
from jtdiag.recipe.members import Members

IMAGE = (3, 32, 32)
HUGE = {
    "mlp": {"arch": "mlp", "count": 3, "hidden": [10**6, 10**6]},
    "many": {"arch": "mlp", "count": 100_000, "hidden": [10_000]},
    "conv": {"arch": "conv", "count": 2, "filters": [10**6, 10**6], "strides": [1, 1]},
    "densenet": {"arch": "densenet", "count": 2, "depth": 10, "growth": 10**6},
    "resnext": {"arch": "resnext", "count": 32, "blocks": [1, 1, 1, 1], "width": 10**5},
}


@pytest.mark.parametrize("kind", HUGE)
def test_members_that_do_not_fit_in_memory_are_refused_before_they_are_built(kind):
    with pytest.raises(RecipeError, match=r"parameters each; training takes .* of memory or more"):
        architectures.build(Members(**HUGE[kind]), IMAGE, 10)


def test_the_memory_that_is_free_is_known():
    assert 10**7 < memory.available() < 10**15
