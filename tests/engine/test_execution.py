import time
import warnings

import pytest
import torch

from jtdiag.engine import architectures
from jtdiag.engine.execution import STEPS, TOO_SLOW, Choice, ExecutionPlan, candidate_plans, fastest
from jtdiag.engine.session import Session
from jtdiag.errors import RecipeError
from jtdiag.recipe.recipe import Data, Engine, Members, Recipe

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
        found = candidate_plans(
            recipe, architectures.build(recipe.members, (3, 8, 8), 5), images=True
        )
        last = "channels last"
        return [
            (f"{w.execution} {last}" if w.channels_last else w.execution, w.bfloat16) for w in found
        ]

    return named


THREE = ("stacked", "loop channels last", "loop")


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
        ("densenet", {"execution": "loop"}, [(e, t) for t in (True, False) for e in THREE[1:3]]),
        (
            "conv",
            {"execution": "loop", "layout": "channels_last", "products": "float32"},
            [(THREE[1], False)],
        ),
        (
            "conv",
            {"execution": "loop", "layout": "channels_first", "products": "float32"},
            [("loop", False)],
        ),
        ("conv", {"execution": "stacked", "products": "float32"}, [("stacked", False)]),
        ("module", {}, [("loop channels last", False), ("loop", False), ("vmap", False)]),
        ("module", {"products": "bfloat16", "execution": "vmap"}, [("vmap", True)]),
    ],
)
def test_these_ways_are_open(open_ways, arch, engine, expected):
    assert open_ways(arch, **engine) == expected


def test_an_execution_that_the_architecture_does_not_know_is_refused(open_ways):
    with pytest.raises(
        RecipeError, match=r"execution is 'stacked'; .* 'module' supports loop, vmap\.$"
    ):
        open_ways("module", execution="stacked")


CPU = torch.device("cpu")
LOOP, VMAP, STACKED = (
    ExecutionPlan(execution=e, bfloat16=False) for e in ("loop", "vmap", "stacked")
)


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
    seconds = dict.fromkeys((LOOP, VMAP, STACKED), 0.2) | {best: 0.1}
    found = fastest([LOOP, VMAP, STACKED], clock(seconds), CPU)
    assert found.plan == best
    assert found.seconds == {way.text: pytest.approx(s) for way, s in seconds.items()}


def test_a_way_that_is_impossible_is_skipped(clock):
    seconds = {LOOP: RuntimeError("no"), VMAP: 0.3, STACKED: RuntimeError("neither")}
    found = fastest([LOOP, VMAP, STACKED], clock(seconds), CPU)
    assert found.plan == VMAP
    assert found.seconds == {VMAP.text: pytest.approx(0.3)}
    assert found.impossible == {LOOP.text: "no", STACKED.text: "neither"}
    assert found.reason == (
        "time per step: vmap 300 ms; loop does not work (no); stacked does not work (neither)"
    )


def test_vmap_alone_is_tried_and_refused_in_one_line(clock):
    with pytest.raises(RecipeError, match=r"'vmap', which does not work .* \(no\); use 'loop'"):
        fastest([VMAP], clock({VMAP: RuntimeError("no. More.")}), CPU)


def test_where_the_loop_fails_too_its_error_is_the_answer(clock):
    with pytest.raises(RuntimeError, match=r"^mine$"):
        fastest([VMAP, LOOP], clock({LOOP: RuntimeError("mine"), VMAP: RuntimeError("no")}), CPU)


def test_another_error_is_no_answer(clock):
    with pytest.raises(KeyError):
        fastest([VMAP, LOOP], clock({VMAP: 1.0, LOOP: KeyError("mine")}), CPU)


def test_whatever_a_module_raises_under_vmap_the_loop_remains(clock):
    choice = fastest([VMAP, LOOP], clock({LOOP: 1.0, VMAP: KeyError("mine")}), CPU)
    assert choice.plan == LOOP
    assert "vmap does not work ('mine')" in choice.reason


def test_a_slow_first_step_is_forgiven_and_a_hopeless_way_is_left(clock):
    step = clock({LOOP: 0.1, VMAP: 0.11 * TOO_SLOW, STACKED: TOO_SLOW})
    assert fastest([LOOP, VMAP, STACKED], step, CPU).plan == LOOP
    # One that warms up, and the timed ones: all, the first that is too slow, none.
    assert [step.taken.count(way) for way in (LOOP, VMAP, STACKED)] == [1 + STEPS, 2, 1]


def test_slow_steps_are_not_repeated_for_long(clock):
    step = clock({LOOP: 3.0, VMAP: 2.9})
    assert fastest([LOOP, VMAP], step, CPU).plan == VMAP
    assert len(step.taken) == 4  # one that warms up and one that is timed, of each


def test_advice_about_slow_operations_under_vmap_is_not_printed(recwarn):
    texts = {VMAP: "There is a performance drop because an operation is slow", LOOP: "my own"}

    def step(way):
        warnings.warn(texts[way], stacklevel=1)

    fastest([VMAP, LOOP], step, CPU)
    assert {str(warning.message) for warning in recwarn} == {"my own"}


def test_the_only_way_is_not_timed(clock):
    step = clock({LOOP: 1.0})
    assert fastest([LOOP], step, CPU) == Choice(plan=LOOP)
    assert step.taken == []


def test_a_session_times_what_is_open_and_the_run_starts_afresh(of_images):
    plain = Session.of(of_images())
    made = plain.with_fastest_plan()
    timings = made.choice.seconds
    assert timings.keys() == {w.text for w in candidate_plans(made.recipe, made.stack, images=True)}
    assert made.plan.text == min(timings, key=timings.__getitem__)
    assert made.settings()["chosen"].startswith("time per step: stacked ")
    assert made.settings()["execution"] == made.plan.execution
    assert made.settings()["products"] == "float64"
    before, after = (s.lane_group(s.groups()[0]).weights for s in (plain, made))
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert plain.with_recorded_plan(made.settings()).plan == made.plan
