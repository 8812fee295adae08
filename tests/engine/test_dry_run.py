import math
import re

from jtdiag.engine import dry_run
from jtdiag.engine.dry_run import estimate
from jtdiag.engine.session import Session
from jtdiag.store import layout


def test_the_numbers_are_those_of_the_recipe(of_images):
    recipe = of_images(lam=[0, 0.5, 1], trials=2, train={"epochs": 5, "batch": 12})
    found = estimate(recipe)
    extent = Session.of(recipe).extent
    assert (found.copies, found.lanes) == (3, 6)
    assert found.parameters_per_member == 4 * 28 + 5 * 37 + 3 * 6
    assert found.steps == 5 * math.ceil(32 / 12)
    assert found.size == layout.size(recipe, extent)
    assert found.settings["micro_members"] == "3"
    timed = re.findall(r"(\w+)( channels last)? ([\d.]+) ms", found.settings["chosen"])
    assert [way for way, *_ in timed] == ["stacked", "loop", "loop"]
    assert min(timed, key=lambda one: float(one[2]))[0] == found.settings["execution"]
    assert found.step_seconds > 0
    assert found.total_seconds >= 6 * found.steps * found.step_seconds
    assert found.memory > 10**6


def test_the_time_is_that_of_all_steps_and_of_all_measurements(of_images, monkeypatch):
    taken = iter([0.5, 0.25, 0.75, 0.125])
    monkeypatch.setattr(dry_run, "_seconds", lambda session, job: next(taken))
    recipe = of_images(lam=[0, 0.5], train={"epochs": 3}, engine={"execution": "stacked"})
    found = estimate(recipe)
    assert found.settings["chosen"] == ""
    assert found.step_seconds == 0.25
    # Two lanes; 3 epochs of 4 steps, and 4 measurements of 8 + 16 examples, of which 16 were timed.
    assert found.total_seconds == 2 * (12 * 0.25 + 4 * 0.125 * 24 / 16)


def test_a_long_step_is_timed_on_fewer_lanes_and_members(of_images, monkeypatch):
    recipe = of_images(lam=[0, 0.5], engine={"lanes": 2, "execution": "stacked"})
    full = Session.of(recipe)
    assert dry_run.smaller(full) == (full, 1.0)
    monkeypatch.setattr(dry_run, "LARGEST_STEP", 1)
    sample, scale = dry_run.smaller(full)
    assert (sample.recipe.members.count, len(sample.groups()[0])) == (1, 1)
    assert scale == 2 * recipe.members.count
    monkeypatch.setattr(dry_run, "_seconds", lambda session, job: 0.25)
    assert estimate(recipe).step_seconds == scale * 0.25


def test_a_long_step_is_timed_once_or_twice(of_images, monkeypatch):
    taken = iter([2.5, 0.125])
    monkeypatch.setattr(dry_run, "_seconds", lambda session, job: next(taken))
    recipe = of_images(lam=[0, 0.5], engine={"execution": "stacked"})
    assert estimate(recipe).step_seconds == 2.5


def test_a_step_is_not_timed_again_after_it_was_timed_for_the_choice(of_images, monkeypatch):
    timed = []
    monkeypatch.setattr(dry_run, "_seconds", lambda session, job: timed.append(job) or 1000.0)
    made = estimate(of_images())
    assert "time per step: " in made.settings["chosen"]
    assert len(timed) == 1  # the evaluation of a batch
    assert 0 < made.step_seconds < 1000


def test_nothing_is_written(of_images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    estimate(of_images())
    assert list(tmp_path.iterdir()) == []
