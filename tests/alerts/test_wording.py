"""All sentences about alerts."""

import inspect
import re

import pytest

from jtdiag.alerts import wording

VERDICT = ("one member dominates the ensemble", "Compare with λ = 0.9.")

SENTENCES = [
    (
        wording.lane_sentence(*VERDICT, epoch=3, lam=1.0),
        "λ = 1: after epoch 3, one member dominates the ensemble. Compare with λ = 0.9.",
    ),
    (
        wording.lane_sentence(*VERDICT, epoch=3, lam=0.95, trial=2),
        "λ = 0.95, trial 2: after epoch 3, one member dominates the ensemble. "
        "Compare with λ = 0.9.",
    ),
    (
        wording.lane_sentence(*VERDICT, epoch=3),
        "After epoch 3, one member dominates the ensemble. Compare with λ = 0.9.",
    ),
    (
        wording.trials_sentence(*VERDICT, epoch=3, lam=1.0, trial=2, fired=2, trials=3),
        "λ = 1, in 2 of 3 trials: after epoch 3 of trial 2, one member dominates the ensemble. "
        "Compare with λ = 0.9.",
    ),
    (
        wording.trials_sentence(*VERDICT, epoch=3, lam=None, trial=0, fired=1, trials=3),
        "In 1 of 3 trials: after epoch 3 of trial 0, one member dominates the ensemble. "
        "Compare with λ = 0.9.",
    ),
    (wording.message("runs/a", "alert", (0,), "So."), "ALERT in runs/a, trial 0: So."),
    (wording.message("runs/a", "alert", (0, 2), "So."), "ALERT in runs/a, trials 0, 2: So."),
    (wording.message("runs/a", "info", (), "So."), "INFO in runs/a: So."),
    (
        wording.not_sent("MLflow", "no connection"),
        "An alert was not sent to MLflow: no connection. The run is not affected; further "
        "failures of this kind are not reported.",
    ),
    (wording.not_sent_total("MLflow", 4, 6), "MLflow: 4 of 6 alerts were not sent."),
    (wording.not_sent_total("MLflow", 1, 6), "MLflow: 1 of 6 alerts was not sent."),
    (
        wording.gave_up_waiting("MLflow", 3, 4),
        "MLflow: gave up waiting for it to send 3 of 4 alerts.",
    ),
    (
        wording.gave_up_waiting("MLflow", 1, 1),
        "MLflow: gave up waiting for it to send 1 of 1 alert.",
    ),
    (wording.gave_up_waiting("MLflow", 0, 4), "MLflow: gave up waiting for it to close."),
    (wording.not_closed("W&B", "no disk"), "W&B could not be closed: no disk."),
    (wording.queue_full(100), "100 alerts are already waiting"),
    (
        wording.earlier_alerts_unknown("a: cannot be read."),
        "a: cannot be read. Earlier alerts are unknown and may be repeated.",
    ),
    (
        wording.not_recorded("a: cannot be written."),
        "a: cannot be written. Training continues; the next alert tries again.",
    ),
]


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES)
def test_each_sentence_reads_as_expected(sentence, expected):
    assert sentence == expected
    assert not re.search(r"\bnan\b|\binf\b|  | \.", sentence)


def test_every_public_function_is_tested():
    source = inspect.getsource(inspect.getmodule(test_every_public_function_is_tested))
    public = [
        name
        for name, value in vars(wording).items()
        if inspect.isfunction(value)
        and value.__module__ == wording.__name__
        and not name.startswith("_")
    ]
    assert public
    assert all(f"wording.{name}(" in source for name in public)
