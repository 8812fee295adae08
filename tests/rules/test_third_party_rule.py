"""A rule from another installed package works wherever the built-in rules do."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from jtdiag import DominanceMonitor, probe, rules
from jtdiag.commands import main
from jtdiag.errors import RecipeError
from jtdiag.probing import findings
from jtdiag.probing.findings import Finding
from jtdiag.recipe import toml
from jtdiag.recipe.toml import from_table
from jtdiag.store.run import Run
from jtdiag.testing import TOY, toy_data
from jtdiag.watch.one_run import RunWatch

BUILT_IN = (
    "dominance",
    "codependence",
    "stagnation",
    "diversity-explosion",
    "divergence",
    "over-capacity",
    "dead-rows",
    "stagnant-module",
    "synthetic-useless",
)


def test_built_in_rules_are_entry_points_too_and_come_first(learned):
    assert rules.RULES.names() == (*BUILT_IN, "learned")
    assert [rule.name for rule in rules.RULES.all()] == [*BUILT_IN, "learned"]
    assert [rules.rank(name) for name in ("dominance", "learned", "removed")] == [0, 9, 10]


def test_without_the_package_there_is_no_such_rule():
    assert rules.RULES.names() == BUILT_IN
    with pytest.raises(RecipeError, match=r"There is no rule 'dominanc'\. Did you mean 'dominance"):
        rules.RULES.find("dominanc")


@pytest.mark.slow
def test_rules_are_found_without_importing_torch():
    code = (
        "import sys; from jtdiag.rules import RULES; RULES.all(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def trained(learned, tmp_path, monkeypatch):
    """A run that `jtdiag train` has stopped on the third-party rule, and what was printed."""
    monkeypatch.chdir(tmp_path)
    toy_data(tmp_path / "toy.npz")
    table = {**TOY, "lam": [0.0], "trials": 1, "alerts": {"stop_on": ["learned"]}}
    Path("toy.toml").write_text(toml.to_toml(from_table(table)), encoding="utf-8")
    ran = CliRunner().invoke(main, ["train", "toy.toml", "--out", "run"])
    assert ran.exit_code == 0, ran.output
    return Run(tmp_path / "run"), ran.output


def first_epoch(run):
    error = run.history(run.lanes[0]).ensemble_error
    return next(epoch for epoch, value in enumerate(error) if epoch > 0 and value < 0.5)


def test_training_shows_records_and_stops_on_it(trained):
    run, output = trained
    [finding] = [f for f in findings.read(run.path) if f.rule == "learned"]
    assert (finding.level, finding.epoch, finding.limit) == ("alert", first_epoch(run), 0.5)
    assert f"ALERT {finding.sentence}" in output
    assert finding.sentence.endswith(" %. Stop here.")
    seal = run.seal(run.lanes[0])
    assert (seal.stopped, seal.epoch) == ("learned", first_epoch(run))
    assert run.recipe.alerts.stop_on == ("learned",)


@pytest.mark.slow
def test_the_probe_alerts_contains_it(trained):
    run, _ = trained
    result = probe(run, "alerts")
    assert result["rule"].values.tolist() == [*BUILT_IN, "learned"]
    assert result["first_spoke"].sel(rule="learned").item() == first_epoch(run)
    assert result["limit"].sel(rule="learned").item() == 0.5
    assert "learned" in [finding.rule for finding in findings.read(run.path)]


def test_watch_reports_it(trained):
    run, _ = trained
    events = list(RunWatch(run.path).poll())
    assert "learned" in [event.rule for event in events if isinstance(event, Finding)]


@pytest.mark.parametrize("wanted", [None, ["learned"]])
def test_the_monitor_evaluates_it(learned, wanted):
    monitor = DominanceMonitor(wanted=wanted)
    targets = torch.arange(10)
    monitor.update(torch.eye(10).expand(3, 10, 10), targets)
    assert "learned" in [finding.rule for finding in monitor.end_epoch()]
    monitor.update(torch.eye(10).expand(3, 10, 10), targets)
    assert "learned" not in [finding.rule for finding in monitor.end_epoch()]


@pytest.mark.slow
def test_a_verdict_under_another_name_is_an_error(learned, warned):
    run = warned.seal_all()
    history = run.history(run.lanes[0])
    rule = rules.RULES.find("learned")
    verdict = rule.judge(history)
    object.__setattr__(rule, "judge", lambda history: replace(verdict, rule="other"))
    with pytest.raises(RecipeError, match="Rule 'learned' returned a verdict of a rule named"):
        rules.judge(history)
