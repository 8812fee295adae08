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


GROUPS = {
    "version 2": (
        {"memory.max": "3000", "memory.current": "2500", "memory.stat": "anon 9\ninactive_file 70"},
        [570],
    ),
    "version 2 without a limit": (
        {"memory.max": "max", "memory.current": "2500", "memory.stat": "inactive_file 70"},
        [],
    ),
    "version 1": (
        {
            "memory/memory.limit_in_bytes": "900",
            "memory/memory.usage_in_bytes": "500",
            "memory/memory.stat": "inactive_file 1\ntotal_inactive_file 20\n",
        },
        [420],
    ),
    "none": ({}, []),
}


@pytest.mark.parametrize("group", GROUPS)
def test_the_limit_of_a_container_counts(group, tmp_path, monkeypatch):
    files, expected = GROUPS[group]
    (tmp_path / "memory").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert list(memory._available_in_group(tmp_path)) == expected
    monkeypatch.setattr(memory, "_CONTROL_GROUPS", tmp_path)
    assert not expected or memory.available() == expected[0]
