"""Rules on modules of real runs: training, reading a run and the probe `alerts` say the same."""

import numpy as np
import pytest

from jtdiag import names, rules
from jtdiag.engine.train import train
from jtdiag.probing.contract import Options
from jtdiag_probes.alerts.alerts import probe

NARROW = {"arch": "mlp", "count": 2, "hidden": [2, 2]}
"""ReLU layers of two units without normalization: some rows are dead from the beginning."""


class Verdicts:
    """A listener that keeps verdicts."""

    def __init__(self):
        self.kept = []

    def begin(self, plan):
        """Ignore the plan."""

    def epoch(self, report):
        """Ignore an epoch."""

    def verdict(self, lane, verdict):
        self.kept.append((lane, verdict))


@pytest.fixture
def trained(tmp_path, of_images):
    """Return a function that trains narrow members; it returns the run and the verdicts."""

    def make(**modules):
        listener = Verdicts()
        recipe = of_images(members=NARROW, modules=modules, train={"epochs": 4})
        return train(recipe, tmp_path / "run", listener=listener), listener.kept

    return make


def test_training_the_run_and_the_probe_give_the_same_verdicts(trained):
    run, kept = trained(credit="local")
    assert {verdict.rule for _, verdict in kept} >= {"dead-rows"}
    for lane in run.lanes:
        expected = [verdict for owner, verdict in kept if owner == lane]
        assert rules.first(run.history(lane)) == expected
    result = probe.ask(run, Options())
    assert result[names.DEAD_ROWS].dims[-1] == names.MODULE
    found = [finding for finding in probe.judge(result) if finding.rule == "dead-rows"]
    assert {finding.lam for finding in found} == set(run.recipe.lam)
    assert all("returns only zeros" in finding.sentence for finding in found)


def test_an_alert_comes_while_the_first_module_of_several_is_trained(trained):
    _, kept = trained(credit="proxy", epochs=[2, 1, 1])
    assert {v.epoch for _, v in kept if v.rule == "dead-rows"} == {1}


def test_histories_contain_what_was_measured_by_module(trained):
    run, _ = trained(credit="synthetic", warmup=1)
    lane = run.lanes[0]
    modules = run.history(lane).modules
    assert (modules.names, modules.warmup) == (("layer1", "layer2", "head"), 1)
    assert modules.module_error is None
    np.testing.assert_array_equal(modules.synthetic_r2, run.metric(lane, names.SYNTHETIC_R2))
    np.testing.assert_array_equal(modules.dead_rows, run.metric(lane, names.DEAD_ROWS)[:, 0])


def test_a_run_without_modules_has_none(trained):
    run, _ = trained()
    assert run.history(run.lanes[0]).modules is None
    assert names.DEAD_ROWS not in probe.ask(run, Options(metrics_only=True))
