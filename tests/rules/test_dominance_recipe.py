"""The recipe `dominance` shows what its name says, and the rule names it at the paper's epoch."""

import numpy as np
import pytest

import jtdiag
from jtdiag import names, rules
from jtdiag.recipe import presets

CHANCE = 0.9


@pytest.mark.slow
def test_one_member_dominates_at_lambda_1_and_is_named_after_epoch_3(tmp_path):
    overrides = [
        "trials=2",
        "lam=[0.5,1]",
        "train.epochs=5",
        "engine.threads=1",
        "engine.device=cpu",
    ]
    run = jtdiag.train(presets.find("dominance", overrides), tmp_path / "run")
    named_at = {}
    for lane in run.lanes:
        verdicts = rules.first(run.history(lane), ["dominance"])
        named_at[run.lam(lane), lane.trial] = [verdict.epoch for verdict in verdicts]
    assert named_at == {(0.5, 0): [], (0.5, 1): [], (1.0, 0): [3], (1.0, 1): [3]}
    on_test = run.metrics().isel({names.EPOCH: -1}).sel({names.SPLIT: names.TEST, names.LAM: 1.0})
    members = np.sort(CHANCE - on_test[names.MEMBER_ERROR].values)[:, ::-1]
    ensemble = CHANCE - on_test[names.ENSEMBLE_ERROR].values
    assert (members[:, 0] > 0.75 * ensemble).all()
    assert (np.median(members[:, 1:], 1) < 0.5 * ensemble).all()
