import time

import pytest
import torch

from jtdiag.engine import members
from jtdiag.engine.execution import HOPELESS, STEPS, Way, fastest, ways
from jtdiag.engine.session import Session
from jtdiag.errors import RecipeError
from jtdiag.recipe import Data, Engine, Members, Recipe

ARCHITECTURES = {
    "mlp": Members(arch="mlp", count=2, hidden=(4,)),
    "conv": Members(arch="conv", count=2, filters=(2, 3), strides=(1, 1)),
    "densenet": Members(arch="densenet", count=2, depth=10, growth=2),
    "module": Members(arch="module", count=2, factory="net_of_execution:make"),
}


@pytest.fixture
def open_ways(tmp_path, monkeypatch):
    """Return a function that names the ways of an architecture and [engine]."""
    (tmp_path / "net_of_execution.py").write_text(
        "from torch import nn\n"
        "def make():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 5))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def named(arch, **engine):
        recipe = Recipe(
            data=Data(name="digits"), members=ARCHITECTURES[arch], engine=Engine(**engine)
        )
        found = ways(recipe, members.build(recipe.members, (3, 8, 8), 5))
        return [(way.execution, way.bfloat16) for way in found]

    return named


THREE = ("stacked", "loop", "vmap")


@pytest.mark.parametrize(
    ("arch", "engine", "expected"),
    [
        ("mlp", {}, [("stacked", False)]),
        ("mlp", {"products": "bfloat16"}, [("stacked", True)]),
        ("mlp", {"execution": "vmap"}, [("vmap", False)]),
        ("conv", {}, [(e, t) for t in (True, False) for e in THREE]),
        ("densenet", {}, [(e, t) for t in (True, False) for e in THREE]),
        ("conv", {"precision": "float64"}, [(e, False) for e in THREE]),
        ("conv", {"products": "float32"}, [(e, False) for e in THREE]),
        ("conv", {"products": "bfloat16"}, [(e, True) for e in THREE]),
        ("densenet", {"execution": "loop"}, [("loop", True), ("loop", False)]),
        ("conv", {"execution": "stacked", "products": "float32"}, [("stacked", False)]),
        ("module", {}, [("loop", False), ("vmap", False)]),
        ("module", {"products": "bfloat16", "execution": "vmap"}, [("vmap", True)]),
    ],
)
def test_these_ways_are_open(open_ways, arch, engine, expected):
    assert open_ways(arch, **engine) == expected


def test_an_execution_that_the_architecture_does_not_know_is_refused(open_ways):
    with pytest.raises(RecipeError, match=r"execution is 'stacked'; .* 'module' has loop, vmap\.$"):
        open_ways("module", execution="stacked")


CPU = torch.device("cpu")
LOOP, VMAP, STACKED = (Way(execution=e, bfloat16=False) for e in ("loop", "vmap", "stacked"))


@pytest.fixture
def clock(monkeypatch):
    """Return a function that makes a step of given seconds; no time passes."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def stepping(seconds):
        taken = []

        def step(way):
            taken.append(way)
            wanted = seconds[way]
            if isinstance(wanted, Exception):
                raise wanted
            # A first step also warms up.
            now[0] += wanted * (1.25 if taken.count(way) == 1 else 1)

        step.taken = taken
        return step

    return stepping


@pytest.mark.parametrize("best", [LOOP, VMAP, STACKED])
def test_the_fastest_is_taken_whatever_its_place(clock, best):
    seconds = dict.fromkeys((LOOP, VMAP, STACKED), 2.0) | {best: 1.0}
    way, found = fastest([LOOP, VMAP, STACKED], clock(seconds), CPU)
    assert way == best
    assert found == {way.text: pytest.approx(s) for way, s in seconds.items()}


def test_a_way_that_is_impossible_is_skipped(clock):
    seconds = {LOOP: RuntimeError("no"), VMAP: 3.0, STACKED: RuntimeError("neither")}
    way, found = fastest([LOOP, VMAP, STACKED], clock(seconds), CPU)
    assert way == VMAP
    assert found == {VMAP.text: pytest.approx(3.0)}


def test_another_error_is_no_answer(clock):
    with pytest.raises(KeyError):
        fastest([LOOP, VMAP], clock({LOOP: 1.0, VMAP: KeyError("mine")}), CPU)


def test_a_hopeless_way_takes_one_step(clock):
    step = clock({LOOP: 1.0, VMAP: HOPELESS, STACKED: 1.2})
    assert fastest([LOOP, VMAP, STACKED], step, CPU)[0] == LOOP
    assert [step.taken.count(way) for way in (LOOP, VMAP, STACKED)] == [STEPS, 1, STEPS]


def test_the_only_way_is_not_timed(clock):
    step = clock({LOOP: 1.0})
    assert fastest([LOOP], step, CPU) == (LOOP, {})
    assert step.taken == []


def test_a_session_times_what_is_open_and_the_run_starts_afresh(of_images):
    plain = Session.of(of_images())
    made = plain.in_fastest_way()
    assert made.timings.keys() == {f"{e} as it is" for e in THREE}
    assert made.way.text == min(made.timings, key=made.timings.__getitem__)
    assert made.settings()["execution"] == made.way.execution
    assert made.settings()["products"] == "float64"
    before, after = (s.lane_group(s.groups()[0]).weights for s in (plain, made))
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert plain.in_way(made.settings()).way == made.way
